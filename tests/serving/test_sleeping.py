"""Many models in one server: loaded on first request, evicted when memory is short."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import BundleError


def body(toys: Any) -> Any:
    return {"instances": [toys.ROW]}


async def ask(stand: Any, toys: Any, name: str) -> Any:
    return await stand.call("POST", f"/v1/models/{name}:predict", body(toys))


def test_a_model_is_loaded_on_its_first_request_under_every_contract(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        names = ("a", "b", "c", "d")
        await stand.many(*names)
        assert stand.server.ready
        assert stand.shelf.opened == []
        assert (await stand.call("GET", "/ping")).status == 200
        listed = (await stand.call("GET", "/v1/models")).json
        assert listed["models"] == list(names)
        assert (await stand.call("GET", "/v2/models/a/ready")).json == {"name": "a", "ready": True}
        assert (await stand.call("GET", "/v1/models/a")).json["ready"] is True
        assert stand.shelf.opened == []  # asking about a model does not load it

        tensor = {
            "inputs": [
                {"name": name, "shape": [1], "datatype": kind, "data": [toys.ROW[name]]}
                for name, kind in {
                    "amount": "FP64", "age": "FP64", "count": "INT64", "member": "BOOL",
                    "city": "BYTES", "since": "BYTES",
                }.items()
            ]
        }  # fmt: skip
        named = {"x-holdfast-model": "a"}
        assert (await stand.call("POST", "/invocations", body(toys), named)).status == 200
        assert (await ask(stand, toys, "b")).status == 200
        assert (await stand.call("POST", "/v2/models/c/infer", tensor)).status == 200
        assert (await stand.call("GET", "/v2/models/d")).json["name"] == "d"
        assert stand.shelf.opened == [f"sha256:{name}" for name in names]
        assert (await stand.call("POST", "/v1/models/e:predict", body(toys))).status == 404
        assert (await stand.call("POST", "/invocations", body(toys))).status == 400

    toys.run(scene())


def test_the_only_model_needs_no_name_though_it_sleeps(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a")
        assert (await stand.call("POST", "/invocations", body(toys))).status == 200

    toys.run(scene())


def test_many_first_requests_load_once_and_hold_up_nobody(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a", "b")
        gate = stand.shelf.gates["sha256:a"] = threading.Event()
        waiting = [asyncio.create_task(ask(stand, toys, "a")) for _ in range(50)]
        await toys.until(lambda: stand.shelf.opened)
        assert (await ask(stand, toys, "b")).status == 200  # while the other still loads
        gate.set()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
        assert stand.shelf.opened == ["sha256:a", "sha256:b"]

    toys.run(scene())


def test_the_least_recently_used_make_room(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(memory=30)
        await stand.many("a", "b", "c", "d")
        for name in ("a", "b", "c", "a", "d"):
            assert (await ask(stand, toys, name)).status == 200
        assert set(stand.server.routes.live) == {"a", "c", "d"}
        assert stand.server.routes.library.used == 30
        assert (await ask(stand, toys, "b")).status == 200
        assert set(stand.server.routes.live) == {"a", "b", "d"}
        assert stand.server.metrics.registry.get_sample_value("holdfast_models_loaded") == 3
        assert stand.server.metrics.registry.get_sample_value("holdfast_models_bytes") == 30

    toys.run(scene())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30),
    st.lists(st.integers(1, 40), min_size=6, max_size=6),
    st.integers(1, 100),
)
def test_the_budget_holds_and_each_answer_is_its_own_models(
    toys: Any, asked: list[str], sizes: list[int], budget: int
) -> None:
    async def scene() -> None:
        stand = toys.Stand(memory=budget)
        await stand.many(*"abcdef")
        for name, size in zip("abcdef", sizes, strict=True):
            stand.shelf.toys[f"sha256:{name}"].memory = size
        used: list[str] = []
        for name in asked:
            answer = await ask(stand, toys, name)
            fits = sizes["abcdef".index(name)] <= budget
            assert answer.status == (200 if fits else 503)
            assert stand.server.routes.library.used <= budget
            if fits:
                assert answer.headers["x-holdfast-version"] == "1"
                assert stand.spool.batches[-1].model == name
                used = [*(other for other in used if other != name), name]
                live = set(stand.server.routes.live)
                # what is in memory was used last
                assert live == set(used[len(used) - len(live) :]) or not fits

    toys.run(scene())


def test_a_model_with_a_request_in_flight_is_not_evicted(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(memory=15)
        await stand.many("a", "b")
        assert (await ask(stand, toys, "a")).status == 200
        begun, go = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            live = stand.server.pick("a")
            begun.set()
            await go.wait()
            assert stand.server.pick("a") is live
            return "done"

        first = asyncio.create_task(stand.server.held("a", slow))
        await begun.wait()
        refused = await ask(stand, toys, "b")
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert "no memory" in refused.json["error"]
        assert "a" in stand.server.routes.live
        go.set()
        assert await first == "done"
        assert (await ask(stand, toys, "b")).status == 200
        assert set(stand.server.routes.live) == {"b"}

    toys.run(scene())


def test_a_load_that_fails_is_told_in_each_contracts_shape_and_poisons_nothing(
    toys: Any, monkeypatch: Any
) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a", "b")
        sound = stand.shelf.toys["sha256:a"]
        stand.shelf.toys["sha256:a"] = BundleError("bundle.corrupt", "secret path /x changed")
        answers = [
            await stand.call("POST", "/invocations?model=a", body(toys)),
            await ask(stand, toys, "a"),
            await stand.call("POST", "/v2/models/a/infer", {"inputs": []}),
        ]
        assert [answer.status for answer in answers] == [503, 503, 503]
        assert answers[0].json["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert all("error" in answer.json for answer in answers[1:])
        assert all(b"secret" not in answer.body for answer in answers)
        assert stand.shelf.opened == ["sha256:a"]  # not again at once
        assert "secret path" in stand.server.routes.problems["a"]
        assert (await stand.call("GET", "/v2/models/a/ready")).status == 503
        counted = stand.server.metrics.registry.get_sample_value(
            "holdfast_model_load_failed_total", {"model": "a", "reason": "bundle.corrupt"}
        )
        assert counted == 1
        assert (await ask(stand, toys, "b")).status == 200
        stand.shelf.toys["sha256:a"] = sound
        monkeypatch.setattr("holdfast.serving.routes.time.monotonic", lambda: 1e12)
        assert (await ask(stand, toys, "a")).status == 200
        assert stand.server.routes.problems == {}

    toys.run(scene())


def test_new_orders_for_a_sleeping_model_are_proven_before_they_are_confirmed(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a")
        stand.shelf.put("sha256:2", BundleError("bundle.golden_rows", "3 rows differ"))
        order = toys.route(2, toys.arm(2, 1.0), model="a")
        with pytest.raises(BundleError, match="3 rows differ"):
            await stand.server.apply(order)
        assert stand.server.routes.epochs == {"a": 1}
        assert (await ask(stand, toys, "a")).headers["x-holdfast-version"] == "1"
        stand.shelf.put("sha256:2", toys.Toy(model="a"))
        assert await stand.server.apply(order)
        assert (await ask(stand, toys, "a")).headers["x-holdfast-version"] == "2"

    toys.run(scene())


def test_a_rollback_of_a_sleeping_model_to_a_proven_version_opens_nothing(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(memory=100)
        for version in (1, 2):
            stand.shelf.put(f"sha256:{version}", toys.Toy())
        for epoch, version in ((1, 1), (2, 2)):
            await stand.server.apply(toys.route(epoch, toys.arm(version, 1.0)))
        stand.server.routes.sleep("toy")
        assert stand.server.routes.library.used == 0
        assert await stand.server.apply(toys.route(3, toys.arm(1, 1.0)))
        assert stand.shelf.opened == ["sha256:1", "sha256:2"]
        assert stand.server.routes.epochs == {"toy": 3}
        assert (await ask(stand, toys, "toy")).headers["x-holdfast-version"] == "1"

    toys.run(scene())


def test_orders_that_come_while_a_model_wakes_win(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a")
        stand.shelf.put("sha256:2", toys.Toy(model="a"))
        gate = stand.shelf.gates["sha256:a"] = threading.Event()
        first = asyncio.create_task(ask(stand, toys, "a"))
        await toys.until(lambda: stand.shelf.opened)
        assert await stand.server.apply(toys.route(2, toys.arm(2, 1.0), model="a"))
        gate.set()
        assert (await first).headers["x-holdfast-version"] == "2"

    toys.run(scene())


def test_a_model_that_is_removed_is_not_found(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.many("a", "b")
        assert (await ask(stand, toys, "a")).status == 200
        stand.server.routes.remove("a")
        stand.server.routes.remove("b")
        assert (await ask(stand, toys, "a")).status == 404
        assert stand.server.routes.models == []
        assert stand.server.routes.library.used == 0
        assert not stand.server.ready

    toys.run(scene())


def test_a_route_that_does_not_fit_is_proven_but_sleeps(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(memory=5)
        toy = stand.shelf.put("sha256:1", toys.Toy())
        toy.memory = 10
        assert await stand.server.apply(toys.route(1, toys.arm(1, 1.0)))
        assert stand.server.routes.epochs == {"toy": 1}
        await toys.until(lambda: stand.server.routes.library.used == 0)
        assert (await ask(stand, toys, "toy")).status == 503
        assert stand.shelf.opened == ["sha256:1"]  # known to be too large: not even tried

    toys.run(scene())


def test_residents_wait_for_room(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(memory=25)
        for version in (1, 2, 3):
            stand.shelf.put(f"sha256:{version}", toys.Toy()).memory = 10
        order = toys.route(1, toys.arm(1, 1.0), resident=(toys.arm(2), toys.arm(3)))
        assert await stand.server.apply(order)
        await stand.server.routes.settled()
        assert (await ask(stand, toys, "toy")).status == 200

    toys.run(scene())
