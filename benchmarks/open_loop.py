"""Load that does not wait for answers: so many requests a second, whatever the server does.

A caller gives up after :data:`PATIENCE` seconds, and hangs up. That is how overload comes about:
wrk's callers wait for ever, and so never offer more than is answered.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

import uvloop

PATIENCE = 1.0
MOST = 2_000
TICK = 0.002


class Outcome(NamedTuple):
    """Of one window: requests a second by how they ended, and milliseconds of those answered."""

    answered: float
    refused: float
    given_up: float
    p99: float


class Caller(asyncio.Protocol):
    """One connection, kept; one request at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._given = b""
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, due: float) -> None:
        assert self.transport is not None
        self.due, self._given = due, b""
        self.transport.write(self._crowd.request)

    def data_received(self, data: bytes) -> None:
        self._given += data
        head = self._given.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._given.index(b"content-length: ") + 16
        size = int(self._given[at : self._given.index(b"\r", at)])
        if len(self._given) >= head + 4 + size:
            self._crowd.ended(self, int(self._given[9:12]))

    def connection_lost(self, _: Exception | None) -> None:
        self._crowd.lost(self)


class Crowd:
    """All callers of one window."""

    def __init__(self, port: int, request: bytes) -> None:
        self.request = request
        self._port = port
        self._free: list[Caller] = []
        self._busy: dict[Caller, None] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.seconds: list[float] = []
        self.refused = self.given_up = 0

    async def offer(self, rate: float, seconds: float) -> Outcome:
        began, sent = self._loop.time(), 0
        while (passed := self._loop.time() - began) < seconds + PATIENCE:
            due = int(min(passed, seconds) * rate)
            for number in range(sent, due):
                self._ask(began + number / rate)
            sent = max(sent, due)
            self._hang_up()
            await asyncio.sleep(TICK)
        for caller in [*self._free, *self._busy]:
            assert caller.transport is not None
            caller.transport.abort()
        done = sorted(self.seconds)
        p99 = 1000 * done[int(len(done) * 0.99)] if done else PATIENCE * 1000
        per = [count / seconds for count in (len(done), self.refused, self.given_up)]
        return Outcome(*per, p99)

    def _ask(self, due: float) -> None:
        if self._free:
            caller = self._free.pop()
            self._busy[caller] = None
            caller.send(due)
        elif len(self._busy) + len(self._connecting) < MOST:
            task = self._loop.create_task(self._connect(due))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        else:
            self.given_up += 1

    async def _connect(self, due: float) -> None:
        try:
            _, caller = await self._loop.create_connection(
                lambda: Caller(self), "127.0.0.1", self._port
            )
        except OSError:
            self.given_up += 1
            return
        self._busy[caller] = None
        caller.send(due)

    def _hang_up(self) -> None:
        late = self._loop.time() - PATIENCE
        for caller in [caller for caller in self._busy if caller.due < late]:
            assert caller.transport is not None
            caller.transport.abort()

    def ended(self, caller: Caller, status: int) -> None:
        """Answered."""
        if self._busy.pop(caller, ...) is ...:
            return
        if status == 200:
            self.seconds.append(self._loop.time() - caller.due)
        else:
            self.refused += 1
        self._free.append(caller)

    def lost(self, caller: Caller) -> None:
        """Hung up, by whom ever."""
        if self._busy.pop(caller, ...) is None:
            self.given_up += 1
        elif caller in self._free:
            self._free.remove(caller)


def offer(port: int, request: bytes, *, rate: float, seconds: float) -> Outcome:
    """Offers a rate for a while."""

    async def run() -> Outcome:
        return await Crowd(port, request).offer(rate, seconds)

    return uvloop.run(run())
