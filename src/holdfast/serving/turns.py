"""What arrives in one turn of the event loop is done together, at the end of that turn.

A busy server reads many requests before it comes to answer: one call of the model and one write to
the spool for all of them cost little more than for one. An idle server reads one, and answers it
in the same turn: nobody ever waits for company. After a turn with a single request the next one is
not even asked to wait for the end of its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Pending(Generic[S, T]):
    """A piece of work that waits for the end of its turn; awaited outside of any task.

    Whoever steps the coroutine that awaits it is told by ``resume`` to step it again.
    """

    __slots__ = ("_turn", "found", "full", "resume", "work")

    def __init__(self, work: S, turn: Turn[S, T]) -> None:
        self._turn = turn
        self.work = work
        self.full = False  # as much waits as should: call hurry
        self.found: T | Exception | None = None
        self.resume: Callable[[], None] = _nobody

    def hurry(self) -> None:
        """Ends the turn now."""
        self._turn.end()

    def __await__(self) -> Generator[Pending[S, T], None, T]:
        yield self
        if isinstance(self.found, Exception):
            raise self.found
        assert self.found is not None
        return self.found


def _nobody() -> None:
    return None


class Turn(Generic[S, T]):
    """Gathers work, in the event loop's thread only.

    Args:
        loop: whose turns they are.
        do: does several pieces at once, in order; when it raises, nothing was done.
        most: pieces that wait at most.
        size: of all that wait together, at most; a single piece may be larger.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        do: Callable[[Sequence[S]], Sequence[T]],
        *,
        most: int,
        size: int,
    ) -> None:
        self._loop = loop
        self._do = do
        self._most = most
        self._size = size
        self._waiting: list[Pending[S, T]] = []
        self._taken = self._met = 0
        self._crowded = True

    def gathers(self) -> bool:
        """Whether one more piece is to be put with others; else it should be done at once."""
        if not self._met:
            self._loop.call_soon(self._over)
        self._met += 1
        return self._crowded or self._met > 1

    def _over(self) -> None:
        self._crowded, self._met = self._met > 1, 0
        self.end()

    def put(self, work: S, size: int) -> Pending[S, T]:
        """Adds work of a size to those that are done when the turn ends; await what it returns.

        Only for what :meth:`gathers` has been asked about.
        """
        pending: Pending[S, T] = Pending(work, self)
        self._waiting.append(pending)
        self._taken += size
        pending.full = self._taken >= self._size or len(self._waiting) >= self._most
        return pending

    def end(self) -> None:
        """Does what waits, and lets everybody go on."""
        waiting, self._waiting, self._taken = self._waiting, [], 0
        if not waiting:
            return  # it was ended early
        for pending, found in zip(waiting, self._found(waiting), strict=True):
            pending.found = found
        for pending in waiting:
            pending.resume()

    def _found(self, waiting: Sequence[Pending[S, T]]) -> Sequence[T | Exception]:
        try:
            return self._do([pending.work for pending in waiting])
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told who waits)
            if len(waiting) == 1:
                return [error]
        # One of them is to blame: the others get their answer.
        return [found for pending in waiting for found in self._found([pending])]
