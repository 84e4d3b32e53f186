from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from holdfast.serving.begun import begin
from holdfast.serving.turns import Pending, Turn


class Desk:
    """Doubles numbers, several at once; ``None`` is an error of whoever asks it."""

    def __init__(self, *, most: int = 9, size: int = 9) -> None:
        self.calls: list[list[Any]] = []
        self.answers: list[Any] = []
        self.turn: Turn[Any, int] = Turn(asyncio.get_running_loop(), self.do, most=most, size=size)

    def do(self, works: Sequence[Any]) -> list[int]:
        self.calls.append(list(works))
        return [2 * work for work in works]

    async def ask(self, work: Any, size: int) -> None:
        assert self.turn.gathers()
        try:
            self.answers.append(await self.turn.put(work, size))
        except TypeError as error:
            self.answers.append(error)

    def begin(self, work: Any, size: int = 1) -> Any:
        asking = self.ask(work, size)
        pending = begin(asking)
        assert isinstance(pending, Pending)
        pending.resume = lambda: _step(asking)
        return pending


def _step(asking: Any) -> None:
    with pytest.raises(StopIteration):
        asking.send(None)


def test_one_turn_is_one_call_and_answers_keep_their_order() -> None:
    async def run() -> None:
        desk = Desk()
        desk.begin(1)
        desk.begin(2)
        assert desk.calls == []
        await asyncio.sleep(0)
        assert desk.calls == [[1, 2]]
        assert desk.answers == [2, 4]
        desk.begin(3)  # the turn before had several
        await asyncio.sleep(0)
        assert desk.calls == [[1, 2], [3]]
        assert desk.answers == [2, 4, 6]

    asyncio.run(run())


def test_who_is_to_blame_harms_nobody_else() -> None:
    async def run() -> None:
        desk = Desk()
        for work in (1, None, 3):
            desk.begin(work)
        await asyncio.sleep(0)
        assert desk.answers[::2] == [2, 6]
        assert isinstance(desk.answers[1], TypeError)

    asyncio.run(run())


@pytest.mark.parametrize(("most", "size"), [(2, 9), (9, 5)])
def test_a_full_turn_says_so(most: int, size: int) -> None:
    async def run() -> None:
        desk = Desk(most=most, size=size)
        assert not desk.begin(1, 2).full
        second = desk.begin(2, 3)
        assert second.full
        second.hurry()
        assert desk.answers == [2, 4]
        assert not desk.begin(3).full
        await asyncio.sleep(0)
        assert desk.calls == [[1, 2], [3]]

    asyncio.run(run())


def test_what_goes_on_may_wait_for_another_turn() -> None:
    async def run() -> None:
        desk = Desk()
        pending = desk.begin(1)
        asking, later = pending.resume, []

        def again() -> None:
            asking()
            later.append(desk.begin(5))

        pending.resume = again
        pending.hurry()
        assert desk.answers == [2]
        await asyncio.sleep(0)
        assert desk.answers == [2, 10]

    asyncio.run(run())


def test_after_a_turn_with_one_the_next_one_need_not_wait() -> None:
    async def run() -> None:
        desk = Desk()
        desk.begin(1)
        await asyncio.sleep(0)
        for _ in range(3):
            assert not desk.turn.gathers()
            await asyncio.sleep(0)
        assert [desk.turn.gathers() for _ in range(3)] == [False, True, True]
        await asyncio.sleep(0)
        assert desk.turn.gathers()

    asyncio.run(run())
