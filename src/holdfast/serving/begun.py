"""Beginning a coroutine at once: a task is only made of what has to wait."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

from holdfast.serving.turns import Pending

T = TypeVar("T")


class Begun(Generic[T]):
    """A coroutine that waits for something; await it, in a task, to let it go on.

    Args:
        coroutine: has run up to where it waits.
        waiting: what it waits for, as the event loop must be told.
    """

    __slots__ = ("_coroutine", "_waiting")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waiting: Any) -> None:
        self._coroutine = coroutine
        self._waiting = [waiting]

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def __iter__(self) -> Begun[T]:
        return self

    def __next__(self) -> Any:
        return self._waiting.pop() if self._waiting else self._coroutine.send(None)

    def send(self, _: None) -> Any:
        """As of a generator."""
        return next(self)

    def throw(self, *error: Any) -> Any:
        """As of a generator: an error of what was waited for, or the end of the task."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """As of a generator."""
        self._coroutine.close()


def begin(coroutine: Coroutine[Any, Any, T]) -> T | Begun[T] | Pending[Any, Any]:
    """Runs a coroutine until it ends or waits.

    It begins outside of any task, so that it must not use ``asyncio.timeout`` before it waits for
    the first time.

    Returns:
        What it returned, or the rest of it; or what it waits for until the end of the turn, after
        which it is begun once more.

    Raises:
        Exception: whatever it raised.
    """
    try:
        waiting = coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    return waiting if type(waiting) is Pending else Begun(coroutine, waiting)
