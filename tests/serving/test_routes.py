from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from holdfast.errors import BundleError
from holdfast.records import Field
from holdfast.serving.limits import Limits


def versions(stand: Any, model: str = "toy") -> Any:
    live = stand.server.routes.live[model]
    return live.champion.version, live.route.epoch


def test_orders_that_are_not_newer_change_nothing(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        for version in (1, 2):
            stand.shelf.put(f"sha256:{version}", toys.Toy())
        assert await stand.server.apply(toys.route(5, toys.arm(1, 1.0)))
        assert not await stand.server.apply(toys.route(5, toys.arm(2, 1.0)))
        assert not await stand.server.apply(toys.route(4, toys.arm(2, 1.0)))
        assert versions(stand) == (1, 5)
        assert stand.server.routes.epochs == {"toy": 5}
        assert stand.shelf.opened == ["sha256:1"]

    toys.run(scene())


@pytest.mark.parametrize(
    "broken",
    [
        BundleError("bundle.golden_rows", "3 of 32 golden rows differ"),
        RuntimeError("boom"),
        "model",
    ],
)
def test_a_bundle_that_fails_never_goes_live(toys: Any, broken: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        bad = toys.Toy(model="other") if broken == "model" else broken
        stand.shelf.put("sha256:2", bad)
        with pytest.raises(BundleError, match="epoch 2 of toy is not served"):
            await stand.server.apply(toys.route(2, toys.arm(1, 0.9), toys.arm(2, 0.1)))
        assert versions(stand) == (1, 1)
        assert stand.server.routes.epochs == {"toy": 1}
        assert "version 2" in stand.server.routes.problems["toy"]
        assert stand.server.ready
        stand.shelf.put("sha256:2", toys.Toy())
        assert await stand.server.apply(toys.route(2, toys.arm(1, 0.9), toys.arm(2, 0.1)))
        assert stand.server.routes.problems == {}

    toys.run(scene())


def test_an_incompatible_arm_never_goes_live_and_such_a_shadow_is_left_out(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        more = (*toys.INPUTS, Field(name="new", type="double"))
        stand.shelf.put("sha256:2", toys.Toy(inputs=more))
        stand.shelf.put("sha256:9", BundleError("bundle.missing", "there is no bundle"))
        with pytest.raises(BundleError, match="it needs the column 'new'"):
            await stand.server.apply(toys.route(2, toys.arm(1, 0.9), toys.arm(2, 0.1)))
        assert versions(stand) == (1, 1)
        assert await stand.server.apply(
            toys.route(3, toys.arm(1, 1.0), shadow=(toys.arm(2), toys.arm(9)))
        )
        assert "it needs the column 'new'" in stand.server.routes.problems["toy"]
        assert await stand.server.apply(toys.route(4, toys.arm(2, 1.0)))  # alone it may
        assert versions(stand) == (2, 4)

    toys.run(scene())


def test_after_a_restart_the_champion_is_served_though_the_canary_is_broken(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        stand.shelf.put("sha256:1", toys.Toy())
        stand.shelf.put("sha256:2", BundleError("bundle.corrupt", "changed"))
        orders = toys.route(7, toys.arm(1, 0.9), toys.arm(2, 0.1))
        with pytest.raises(BundleError):
            await stand.server.apply(orders)
        assert versions(stand) == (1, 7)
        assert stand.server.routes.epochs == {}  # not confirmed
        stand.shelf.put("sha256:2", toys.Toy())
        assert await stand.server.apply(orders)
        assert stand.server.routes.epochs == {"toy": 7}

    toys.run(scene())


def test_a_rollback_to_a_resident_version_loads_nothing_and_waits_for_nothing(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        for version in (1, 2, 3):
            stand.shelf.put(f"sha256:{version}", toys.Toy())
        await stand.live()
        await stand.server.apply(toys.route(2, toys.arm(2, 1.0), resident=(toys.arm(1),)))
        stand.shelf.gates["sha256:3"] = threading.Event()
        slow = asyncio.create_task(stand.server.apply(toys.route(3, toys.arm(3, 1.0))))
        await asyncio.sleep(0)
        rollback = stand.server.apply(toys.route(4, toys.arm(1, 1.0), resident=(toys.arm(2),)))
        with pytest.raises(StopIteration):  # it ran to its end without waiting once
            rollback.send(None)
        assert versions(stand) == (1, 4)
        stand.shelf.gates["sha256:3"].set()
        assert await slow is False  # what was overtaken does not come back
        assert versions(stand) == (1, 4)
        assert stand.shelf.opened == ["sha256:1", "sha256:2", "sha256:3"]

    toys.run(scene())


def test_a_resident_version_is_loaded_after_the_switch(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        for version in (1, 2):
            stand.shelf.put(f"sha256:{version}", toys.Toy())
        gate = stand.shelf.gates["sha256:1"] = threading.Event()
        orders = toys.route(2, toys.arm(2, 1.0), resident=(toys.arm(1), toys.arm(8)))
        stand.shelf.put("sha256:8", BundleError("bundle.missing", "gone"))
        assert await stand.server.apply(orders)
        assert set(stand.server.routes.live["toy"].versions) == {2}
        gate.set()
        await stand.server.routes.settled()
        assert set(stand.server.routes.live["toy"].versions) == {1, 2}
        assert "version 8" in stand.server.routes.problems["toy"]
        assert stand.server.routes.epochs == {"toy": 2}

    toys.run(scene())


def test_a_version_nobody_needs_is_freed_after_its_last_request(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(limits=Limits(inline_rows=0))
        toy = await stand.live("regression")
        stand.shelf.put("sha256:2", toys.Toy("regression", shift=1.0))
        gone = weakref.ref(toy)
        toy.gate = gate = threading.Event()
        body = {"instances": [toys.ROW]}
        request = asyncio.create_task(stand.call("POST", "/invocations", body))
        await toys.until(lambda: stand.server.in_flight)
        stand.shelf.toys.pop("sha256:1")
        del toy
        await stand.server.apply(toys.route(2, toys.arm(2, 1.0)))
        assert gone() is not None
        gate.set()
        answered = await request
        assert answered.headers["x-holdfast-version"] == "1"
        assert answered.json == {"predictions": [44.5]}
        del request
        await stand.call("POST", "/invocations", body)  # the pool's thread forgets its last work
        gc.collect()
        assert gone() is None

    toys.run(scene())


def test_swaps_under_load_fail_no_request(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        for version in range(1, 9):
            stand.shelf.put(f"sha256:{version}", toys.Toy("regression", shift=version * 1000.0))
        await stand.server.apply(toys.route(1, toys.arm(1, 1.0)))
        stop = asyncio.Event()
        seen: list[tuple[int, float]] = []

        async def caller() -> None:
            while not stop.is_set():
                answered = await stand.call("POST", "/invocations", {"instances": [toys.ROW]})
                assert answered.status == 200
                version = int(answered.headers["x-holdfast-version"])
                seen.append((version, answered.json["predictions"][0]))
                await asyncio.sleep(0)

        callers = [asyncio.create_task(caller()) for _ in range(4)]
        for epoch in range(2, 60):
            version = epoch % 8 + 1
            await stand.server.apply(toys.route(epoch, toys.arm(version, 1.0)))
            await asyncio.sleep(0)
        stop.set()
        await asyncio.gather(*callers)
        assert all(value == version * 1000 + 44.5 for version, value in seen)
        assert len({version for version, _ in seen}) > 3
        assert len(stand.spool.batches) == len(seen)

    toys.run(scene())
