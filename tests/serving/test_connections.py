from __future__ import annotations

import asyncio
from typing import Any

from holdfast.serving.connections import Connections
from holdfast.serving.limits import Limits


class Peer:
    """Counts how often its time was over."""

    def __init__(self) -> None:
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1


def test_what_is_overdue_is_ended_once(toys: Any) -> None:
    async def scene() -> None:
        bounds = Connections(Limits(), most=10)
        late, early, forgotten = Peer(), Peer(), Peer()
        bounds.watch(late, 0.0)
        bounds.watch(early, 600.0)
        bounds.watch(forgotten, 0.0)
        bounds.forget(forgotten)
        sweeping = asyncio.create_task(bounds.sweep())
        async with asyncio.timeout(30):
            while not late.expired:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        sweeping.cancel()
        assert (late.expired, early.expired, forgotten.expired) == (1, 0, 0)

    toys.run(scene())


def test_who_has_waited_longest_makes_room() -> None:
    reasons: list[str] = []
    bounds = Connections(Limits(), most=2, refused=reasons.append)
    assert not bounds.make_room()
    first, second = Peer(), Peer()
    bounds.watch(first, 600.0)
    bounds.watch(second, 60.0)
    bounds.watch(first, 600.0)  # it had work to do meanwhile
    assert bounds.make_room()
    assert (first.expired, second.expired) == (0, 1)
    assert bounds.make_room()
    assert not bounds.make_room()
    assert reasons == ["crowded", "crowded"]
