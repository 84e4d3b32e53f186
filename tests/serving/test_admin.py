"""The repository extension, and SageMaker's multi-model mode, on one process's models."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.bundle.manifest import bundle_digest, write_bundle
from holdfast.errors import BundleError
from holdfast.serving.admin import Admin, Command, Reply
from holdfast.serving.app import create_app
from holdfast.serving.crew import Desk, ask, merged
from holdfast.serving.multimodel import MultiModel
from holdfast.serving.repository import Repository


def post(
    repository: Repository, path: str, body: Any = None, *, method: str = "POST", token: str = ""
) -> Any:
    data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    reply = repository.answer(method, f"/v2/repository/{path}", token.encode(), data)
    return reply.status, {} if reply.body is None else reply.body


class Here:
    """A repository over one server, run in a loop of the test's own."""

    def __init__(self, stand: Any, **options: Any) -> None:
        admin = Admin(stand.server)
        self.desk = Desk(admin, "", 0)
        self.desk.begin()
        self.repository = Repository(self.desk.order, **options)

    async def post(self, path: str, body: Any = None, **options: str) -> Any:
        return await asyncio.to_thread(post, self.repository, path, body, **options)


def test_models_are_listed_loaded_and_unloaded(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a", "b", "c")
        stand.shelf.toys["sha256:c"] = BundleError("bundle.corrupt", "it was changed")
        here = Here(stand)
        assert await here.post("models/a/load") == (200, {})
        assert stand.shelf.opened == ["sha256:a"]
        assert (await here.post("models/c/load"))[0] == 503
        status, listed = await here.post("index")
        assert status == 200
        assert [(one["name"], one["state"]) for one in listed] == [
            ("a", "READY"), ("b", "READY"), ("c", "UNAVAILABLE"),
        ]  # fmt: skip
        assert "asleep" in listed[1]["reason"]
        assert "it was changed" in listed[2]["reason"]
        assert len((await here.post("index", {"ready": True}))[1]) == 2

        body = {"instances": [toys.ROW]}
        assert await here.post("models/a/unload") == (200, {})
        assert stand.server.routes.library.used == 0
        assert (await stand.call("POST", "/v1/models/a:predict", body)).status == 404
        assert (await here.post("index"))[1][0]["state"] == "UNAVAILABLE"
        # new orders do not bring back what an operator took away
        stand.shelf.put("sha256:2", toys.Toy(model="a"))
        assert await stand.server.apply(toys.route(2, toys.arm(2, 1.0), model="a"))
        assert (await stand.call("POST", "/v1/models/a:predict", body)).status == 404
        assert await here.post("models/a/load") == (200, {})
        answer = await stand.call("POST", "/v1/models/a:predict", body)
        assert answer.headers["x-holdfast-version"] == "2"

    toys.run(scene())


def test_nothing_is_loaded_from_what_a_request_says(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a")
        here = Here(stand)
        for name in ("b", "..", "%2e%2e", "file:", ""):
            assert (await here.post(f"models/{name}/load"))[0] == 404
            assert (await here.post(f"models/{name}/unload"))[0] == 404
        evil = {"parameters": {"config": "{}", "file:1/model.onnx": "AAAA"}}
        assert (await here.post("models/a/load", evil))[0] == 400
        assert (await here.post("models/a/frob"))[0] == 404
        assert (await here.post("index", b"[1]"))[0] == 400
        assert (await here.post("index", b"[" * 5000))[0] == 400
        assert (await here.post("index", method="GET"))[0] == 405
        assert stand.shelf.opened == []

    toys.run(scene())


def test_tokens_hold_here_too_and_an_open_port_without_them_orders_nothing(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a")
        guarded = Here(stand, tokens=[hashlib.sha256(b"t").hexdigest()], exposed=True)
        assert (await guarded.post("index"))[0] == 401
        assert (await guarded.post("index", token="Bearer x"))[0] == 401
        assert (await guarded.post("index", token="Bearer t"))[0] == 200
        assert (await Here(stand, exposed=True).post("index"))[0] == 403

    toys.run(scene())


def test_workers_are_asked_together_and_the_worst_counts(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        stands = [toys.Stand(), toys.Stand()]
        desks = []
        for slot, stand in enumerate(stands):
            await stand.many("a", "b")
            desks.append(Desk(Admin(stand.server), str(tmp_path), slot))
            desks[-1].begin()
            await desks[-1].join()
        everywhere = desks[0].everywhere
        assert (await everywhere(Command(do="load", model="a"))).status == 200
        assert [stand.shelf.opened for stand in stands] == [["sha256:a"]] * 2
        assert (await everywhere(Command(do="unload", model="b"))).status == 200
        # one that starts again learns what the others were told
        again = toys.Stand()
        await again.many("a", "b")
        desks[1].close()
        desk = Desk(Admin(again.server), str(tmp_path), 1)
        desk.begin()
        await desk.join()
        assert set(again.server.routes.withdrawn) == {"b"}
        again.shelf.toys["sha256:a"] = BundleError("bundle.corrupt", "changed")
        assert (await everywhere(Command(do="load", model="a"))).status == 503
        index = await everywhere(Command(do="index"))
        assert {name: one["state"] for name, one in index.body.items()} == {
            "a": "UNAVAILABLE", "b": "UNAVAILABLE",
        }  # fmt: skip
        desks[0].close()
        desk.close()

    toys.run(scene())
    assert merged(ask(tmp_path, Command(do="index"))) == Reply(
        503, {"error": "no worker answers"}
    )  # fmt: skip


class Platform:
    """A container in SageMaker's multi-model mode."""

    def __init__(self, toys: Any, root: Path, memory: int | None = None) -> None:
        self.stand = toys.Stand(platform=True, memory=memory)
        self.toys = toys
        self.root = root
        admin = Admin(self.stand.server, root)
        self.app = create_app(self.stand.server, multi=MultiModel(self.stand.server, admin.run))

    def put(self, name: str, memory: int = 10) -> str:
        folder = self.root / name / "model"
        folder.mkdir(parents=True)
        (folder / "x").write_text(name)
        toy = self.toys.Toy(model="churn")
        write_bundle(
            folder, model="churn", task="binary", signature=toy.manifest.signature,
            predictor="native", native="xgboost", run="r", dataset="d",
            created_at=self.toys.NOW, key=bytes(32),
        )  # fmt: skip
        toy.memory = memory
        self.stand.shelf.put(bundle_digest(folder), toy)
        return str(folder)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.toys.call(self.app, method, path, body)
        return answer.status, answer.json if answer.body else None


def test_sagemaker_adds_invokes_and_removes_models(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        platform = Platform(toys, tmp_path)
        assert (await platform.call("GET", "/ping"))[0] == 200  # ready before there is a model
        assert await platform.call("GET", "/models") == (200, {"models": []})
        url = platform.put("one")
        added = {"model_name": "f00d", "url": url}
        assert (await platform.call("POST", "/models", added))[0] == 200
        assert (await platform.call("POST", "/models", added))[0] == 409
        entry = {"modelName": "f00d", "modelUrl": url}
        assert await platform.call("GET", "/models") == (200, {"models": [entry]})
        assert await platform.call("GET", "/models/f00d") == (200, entry)
        status, answer = await platform.call(
            "POST", "/models/f00d/invoke", {"instances": [toys.ROW]}
        )
        assert status == 200
        assert len(answer["predictions"]) == 1
        # recorded under the name it was trained under, not the platform's
        assert platform.stand.spool.batches[-1].model == "churn"
        assert (await platform.call("DELETE", "/models/f00d"))[0] == 200
        assert (await platform.call("DELETE", "/models/f00d"))[0] == 404
        assert (await platform.call("GET", "/models/f00d"))[0] == 404
        assert (await platform.call("POST", "/models/f00d/invoke", {"instances": []}))[0] == 404
        assert platform.stand.server.routes.library.used == 0

    toys.run(scene())


def test_sagemaker_is_told_when_there_is_no_memory(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        platform = Platform(toys, tmp_path, memory=15)
        one, other = (platform.put(name) for name in ("one", "other"))
        assert (await platform.call("POST", "/models", {"model_name": "a", "url": one}))[0] == 200
        wanted = {"model_name": "b", "url": other}
        assert (await platform.call("POST", "/models", wanted))[0] == 507
        assert [one["modelName"] for one in (await platform.call("GET", "/models"))[1]["models"]]
        assert (await platform.call("DELETE", "/models/a"))[0] == 200
        assert (await platform.call("POST", "/models", wanted))[0] == 200

    toys.run(scene())


def test_no_url_leads_out_of_the_folder_of_models(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        root = tmp_path / "models"
        root.mkdir()
        platform = Platform(toys, root)
        outside = Platform(toys, tmp_path / "elsewhere").put("secret")
        (root / "link").symlink_to(outside)
        (root / "empty").mkdir()
        for url in (
            outside, f"{root}/../elsewhere/secret/model", f"{root}/link", str(root), "/",
            f"{root}/empty", f"file://{outside}", "http://127.0.0.1/x", "s3://b/k", "", "one\0",
        ):  # fmt: skip
            status, answer = await platform.call("POST", "/models", {"model_name": "a", "url": url})
            assert status == 400
            assert "elsewhere" not in str(answer)
        for body in ({}, {"model_name": 1, "url": "/"}, {"model_name": "a/b", "url": "/"}, []):
            assert (await platform.call("POST", "/models", body))[0] == 400
        assert platform.stand.shelf.opened == []

    toys.run(scene())


def test_a_bundle_that_cannot_be_served_is_not_added(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        platform = Platform(toys, tmp_path)
        url = platform.put("one")
        platform.stand.shelf.toys[bundle_digest(url)] = BundleError("bundle.golden_rows", "/secret")
        wanted = {"model_name": "a", "url": url}
        status, answer = await platform.call("POST", "/models", wanted)
        assert status == 400
        assert "secret" not in str(answer)
        assert await platform.call("GET", "/models") == (200, {"models": []})

    toys.run(scene())


@pytest.mark.parametrize("path", ["/models", "/models/a", "/models/a/invoke"])
def test_without_the_mode_there_is_nothing_there(toys: Any, path: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        assert (await stand.call("GET", path)).status == 404

    toys.run(scene())
