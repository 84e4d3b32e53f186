"""Following a control plane that is really there, goes away, and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from holdfast.errors import BundleError
from holdfast.serving.cache import RouteCache
from holdfast.serving.follow import ControlAddress, Follower


def follow(stand: Any, toys: Any, folder: Path, port: int) -> Follower:
    address = ControlAddress(
        url=f"http://127.0.0.1:{port}", token="secret", wait=5, retry_failed=0.05
    )
    follower = Follower(
        stand.server, asyncio.get_running_loop(), control=address, cache=RouteCache(folder),
        clock=toys.Clock(), url="http://x:1", metrics_url="http://x:2",
    )  # fmt: skip
    follower.start()
    return follower


def test_orders_are_followed_confirmed_and_kept(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        for version in (1, 2):
            stand.shelf.put(f"sha256:{version}", toys.Toy())
        control = toys.Control()
        follower = follow(stand, toys, tmp_path, control.port)
        try:
            first = await asyncio.to_thread(control.report, lambda r: True)
            assert (first.server, first.url, first.metrics_url) == ("s", "http://x:1", "http://x:2")
            assert first.epochs == {}
            for epoch, version in ((1, 1), (2, 2), (3, 1)):
                control.order(toys.route(epoch, toys.arm(version, 1.0)))
                wanted = {"toy": epoch}
                await asyncio.to_thread(control.report, lambda r, w=wanted: r.epochs == w)
                assert stand.server.routes.live["toy"].champion.version == version
                assert RouteCache(tmp_path).load() == [control.routes["toy"]]
            assert control.tokens == {"Bearer secret"}
        finally:
            follower.stop()
            await asyncio.to_thread(control.close)

    toys.run(scene())


def test_a_route_that_fails_is_reported_and_tried_again(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        stand.shelf.put("sha256:1", toys.Toy())
        stand.shelf.put("sha256:2", BundleError("bundle.corrupt", "it was changed"))
        control = toys.Control()
        follower = follow(stand, toys, tmp_path, control.port)
        try:
            control.order(toys.route(1, toys.arm(1, 1.0)))
            await asyncio.to_thread(control.report, lambda r: r.epochs == {"toy": 1})
            control.order(toys.route(2, toys.arm(2, 1.0)))
            report = await asyncio.to_thread(control.report, lambda r: bool(r.problems))
            assert report.epochs == {"toy": 1}
            assert "it was changed" in report.problems["toy"]
            assert [route.epoch for route in RouteCache(tmp_path).load()] == [1]
            stand.shelf.put("sha256:2", toys.Toy())
            report = await asyncio.to_thread(control.report, lambda r: r.epochs == {"toy": 2})
            assert report.problems == {}
        finally:
            follower.stop()
            await asyncio.to_thread(control.close)

    toys.run(scene())


def test_a_control_plane_that_goes_away_is_found_again(toys: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        for version in (1, 2):
            stand.shelf.put(f"sha256:{version}", toys.Toy())
        control = toys.Control()
        control.order(toys.route(1, toys.arm(1, 1.0)))
        follower = follow(stand, toys, tmp_path, control.port)
        try:
            await asyncio.to_thread(control.report, lambda r: r.epochs == {"toy": 1})
            await asyncio.to_thread(control.close)
            answered = await stand.call("POST", "/invocations", {"instances": [toys.ROW]})
            assert answered.status == 200
            control = toys.Control(control.port)
            control.order(toys.route(2, toys.arm(2, 1.0)))
            await asyncio.to_thread(control.report, lambda r: r.epochs == {"toy": 2})
        finally:
            follower.stop()
            await asyncio.to_thread(control.close)

    toys.run(scene())
