"""The connections of one process, and until when each may go on as it does.

One look at a clock a quarter of a second stands for a timer on every connection: cheaper for a
server that answers thousands of requests a second, and exact enough for deadlines in seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from holdfast.serving.limits import Limits
from holdfast.serving.requests import Headers, lines

_LOOK = 0.25


class Connection(Protocol):
    """What is watched."""

    def expire(self) -> None:
        """Its time is over."""


class Connections:
    """All of one listening socket in this process.

    Args:
        limits: deadlines.
        most: how many may be open.
        last_call: seconds an idle connection stays open for one more request while draining.
        refused: told why a connection or a request was ended before any handler saw it.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        most: int,
        last_call: float = 1.0,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.limits = limits
        self.most = most
        self.last_call = last_call
        self.refused = refused
        self.draining = False
        self._until: dict[Connection, float] = {}
        self._headers: Headers = ()
        self._heading = b""

    def heading(self, headers: Headers) -> bytes:
        """The headers of every answer as HTTP has them: the same until others are given, once a
        second, as another object.
        """
        if headers is not self._headers:
            self._headers, self._heading = headers, lines(headers)
        return self._heading

    def watch(self, connection: Connection, seconds: float) -> float:
        """Ends the connection unless something else is said of it in time; returns when that was,
        on the monotonic clock.
        """
        now = time.monotonic()
        self._until.pop(connection, None)  # to the end of the order
        self._until[connection] = now + seconds
        return now

    def forget(self, connection: Connection) -> None:
        """Lets it take its time."""
        self._until.pop(connection, None)

    def make_room(self) -> bool:
        """Ends the connection that has waited longest without a request; whether there was one.

        Callers with work to do send it at once, so that those who hold on to connections without
        using them are the first to lose them.
        """
        longest = next(iter(self._until), None)
        if longest is None:
            return False
        self.refused("crowded")
        self.forget(longest)
        longest.expire()
        return True

    async def sweep(self) -> None:
        """Ends what is overdue, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            for connection in [one for one, until in self._until.items() if until <= now]:
                self.forget(connection)
                connection.expire()
