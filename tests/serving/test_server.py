from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from holdfast.serving.limits import Limits


async def post(stand: Any, *rows: Any, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await stand.call("POST", "/invocations", {"instances": list(rows)}, named)


async def canary(stand: Any, toys: Any, **more: Any) -> tuple[Any, Any]:
    """Version 1 is the champion, version 2 answers half of the keys."""
    one = stand.shelf.put("sha256:1", toys.Toy("regression"))
    two = stand.shelf.put("sha256:2", toys.Toy("regression", shift=1000.0))
    await stand.server.apply(toys.route(1, toys.arm(1, 0.5), toys.arm(2, 0.5), **more))
    return one, two


async def key_of(stand: Any, version: int) -> str:
    live = stand.server.pick(None)
    return next(k for k in map(str, range(99)) if live.choose(k).version == version)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_prediction_is_recorded_before_it_is_answered(toys: Any, task: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live(task)
        rows = [{**toys.ROW, "key": "a"}, {**toys.ROW, "key": "b", "amount": None}]
        answered = await post(stand, *rows)
        (batch,) = stand.spool.batches
        assert batch.request == answered.headers["x-holdfast-prediction-id"]
        assert (batch.model, batch.version, batch.epoch, batch.role) == ("toy", 1, 1, "live")
        assert batch.at == toys.NOW.timestamp()
        assert batch.ids == ["a", "b"]
        assert batch.cells() == {
            "amount": [1.5, None], "age": [40.0, 40.0], "count": [3, 3], "member": [True, True],
            "city": ["Oslo"] * 2, "since": ["2024-05-01T10:00:00.000000+00:00"] * 2,
        }  # fmt: skip
        values = answered.json["predictions"]
        if task == "regression":
            assert batch.predictions == values
            assert batch.scores == []
        else:
            assert batch.predictions == [value["prediction"] for value in values]
            assert batch.scores == [value["probability"] for value in values]
        assert batch.seconds > 0
        assert batch.error == ""

    toys.run(scene())


def test_ids_of_predictions_are_unique_whatever_the_caller_sends(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        for _ in range(3):
            await post(stand, toys.ROW, x_request_id="same")
        assert len({batch.request for batch in stand.spool.batches}) == 3

    toys.run(scene())


def test_a_full_spool_answers_or_refuses(toys: Any) -> None:
    async def scene(policy: str) -> Any:
        stand = toys.Stand(spool_full=policy)
        await stand.live()
        stand.spool.healthy = False
        answered = await post(stand, toys.ROW)
        assert not stand.server.ready
        assert stand.server.metrics.registry.get_sample_value("holdfast_spool_lost_total") == 1
        return answered

    assert toys.run(scene("answer")).status == 200
    refused = toys.run(scene("refuse"))
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"


def test_what_the_routing_key_is(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await canary(stand, toys)
        one, two = await key_of(stand, 1), await key_of(stand, 2)

        async def version(row: Any, **headers: str) -> int:
            return int((await post(stand, row, **headers)).headers["x-holdfast-version"])

        for key, wanted, other in ((one, 1, two), (two, 2, one)):
            assert await version(toys.ROW, x_request_id=key) == wanted
            assert await version({**toys.ROW, "key": key}, x_request_id=other) == wanted
            row = {**toys.ROW, "key": other}
            assert await version(row, x_holdfast_routing_key=key) == wanted

    toys.run(scene())


def test_a_canary_that_fails_is_covered_by_the_champion(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        one, two = await canary(stand, toys, mirror=True)
        two.fails = True
        answered = await post(stand, toys.ROW, x_holdfast_routing_key=await key_of(stand, 2))
        assert answered.status == 200
        assert answered.headers["x-holdfast-version"] == "1"
        failed, covered = stand.spool.batches
        assert (failed.version, failed.error, failed.predictions) == (2, "bundle.failed", [])
        assert (covered.version, covered.error, covered.predictions) == (1, "", [44.5])
        assert failed.request == covered.request
        await stand.server.close()
        assert len(stand.spool.batches) == 2  # who has failed is not asked again

        one.fails, two.fails = True, False
        answered = await post(stand, toys.ROW, x_holdfast_routing_key=await key_of(stand, 1))
        assert answered.status == 500

    toys.run(scene())


def test_a_named_version_answers_or_fails_by_itself(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        _, two = await canary(stand, toys)
        inputs = [{"name": "age", "datatype": "FP64", "shape": [1], "data": [40.0]}]
        for name, kind, value in (
            ("amount", "FP64", 1.5), ("count", "INT64", 3), ("member", "BOOL", True),
            ("city", "BYTES", "Oslo"), ("since", "BYTES", "2024-05-01"),
        ):  # fmt: skip
            inputs.append({"name": name, "datatype": kind, "shape": [1], "data": [value]})
        path = "/v2/models/toy/versions/2/infer"
        answered = await stand.call("POST", path, {"inputs": inputs})
        assert answered.json["model_version"] == "2"
        two.fails = True
        assert (await stand.call("POST", path, {"inputs": inputs})).status == 500

    toys.run(scene())


def test_large_requests_are_scored_in_a_thread(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(Limits(inline_rows=2, inline_bytes=600))
        toy = await stand.live()
        await post(stand, toys.ROW)
        assert toy.threads == {"MainThread"}
        toy.threads.clear()
        assert (await post(stand, *[toys.ROW] * 9)).status == 200
        assert {name.rstrip("_0123456789") for name in toy.threads} == {"holdfast-score"}

    toys.run(scene())


def test_a_native_model_is_used_by_one_thread_at_a_time(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(Limits(inline_rows=2))
        toy = toys.Toy()
        toy.kind = "native"
        stand.shelf.put("sha256:1", toy)
        await stand.server.apply(toys.route(1, toys.arm(1, 1.0)))
        toy.gate = threading.Event()
        big = asyncio.create_task(post(stand, *[toys.ROW] * 9))
        await toys.until(lambda: toy.threads)
        small = [asyncio.create_task(post(stand, toys.ROW)) for _ in range(3)]
        await toys.until(lambda: stand.server.in_flight == 4)
        assert toy.seen == []
        assert (await stand.call("GET", "/ping")).status == 200
        toy.gate.set()
        assert [(await task).status for task in (big, *small)] == [200] * 4
        assert toy.seen == [9, 3]  # the small ones gathered while the model was busy
        assert {name.rstrip("_0123456789") for name in toy.threads} == {"holdfast-native"}

    toys.run(scene())


def test_shadows_and_the_other_arm_score_the_same_rows(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        stand.shelf.put("sha256:3", toys.Toy("regression", shift=3000.0)).fails = True
        await canary(stand, toys, mirror=True, shadow=(toys.arm(3),))
        answered = await post(stand, {**toys.ROW, "key": await key_of(stand, 1)})
        assert answered.headers["x-holdfast-version"] == "1"
        await stand.server.close()
        live, *shadows = sorted(stand.spool.batches, key=lambda batch: batch.version)
        assert live.role == "live"
        assert [(b.version, b.role, b.predictions, b.error) for b in shadows] == [
            (2, "shadow", [1044.5], ""), (3, "shadow", [], "bundle.failed"),
        ]  # fmt: skip
        assert {batch.request for batch in shadows} == {live.request}
        assert all(batch.cells() == live.cells() and batch.ids == live.ids for batch in shadows)
        sample = stand.server.metrics.registry.get_sample_value
        assert sample("holdfast_shadow_failed_total", {"model": "toy", "version": "3"}) == 1

    toys.run(scene())


def test_a_shadow_that_hangs_is_not_noticed(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        hanging = stand.shelf.put("sha256:2", toys.Toy())
        stand.shelf.put("sha256:1", toys.Toy())
        await stand.server.apply(toys.route(1, toys.arm(1, 1.0), shadow=(toys.arm(2),)))
        hanging.gate = threading.Event()
        for _ in range(1100):
            assert (await post(stand, toys.ROW)).status == 200
        assert stand.server.mirror.dropped >= 70
        sample = stand.server.metrics.registry.get_sample_value
        assert sample("holdfast_shadow_dropped_total", {"model": "toy"}) >= 70
        await stand.server.close(0.05)
        hanging.gate.set()

    toys.run(scene())


def test_what_is_counted(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        await post(stand, toys.ROW, toys.ROW)
        await post(stand, {})
        await stand.call("POST", "/v1/models/hunter2:predict", {})
        sample = stand.server.metrics.registry.get_sample_value
        good = {"model": "toy", "version": "1", "contract": "mlflow", "code": "200"}
        bad = {"model": "", "version": "", "contract": "v1", "code": "404"}
        assert sample("holdfast_requests_total", good) == 1
        assert sample("holdfast_requests_total", bad) == 1
        assert sample("holdfast_rows_total", {"model": "toy", "version": "1"}) == 2
        seconds = {"model": "toy", "contract": "mlflow"}
        assert sample("holdfast_request_seconds_count", seconds) == 1
        assert sample("holdfast_route_epoch", {"model": "toy"}) == 1
        assert sample("holdfast_in_flight") == 0

    toys.run(scene())
