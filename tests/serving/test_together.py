from __future__ import annotations

import asyncio
from typing import Any

from holdfast.serving.together import Together


class Wire(asyncio.Transport):
    """Remembers each system call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


def together() -> tuple[Together, Wire]:
    wire = Wire()
    return Together(wire, asyncio.get_running_loop()), wire


def test_head_and_body_are_one_call() -> None:
    async def run() -> list[bytes]:
        transport, wire = together()
        for _ in range(2):
            transport.write(b"head ")
            transport.write(b"body")
        await asyncio.sleep(0)
        return wire.calls

    assert asyncio.run(run()) == [b"head body", b"head body"]


def test_what_stays_alone_is_sent_in_the_next_turn() -> None:
    async def run() -> tuple[list[bytes], int]:
        transport, wire = together()
        transport.write(b"continue")
        held = transport.get_write_buffer_size()
        await asyncio.sleep(0)
        transport.write(b"head")
        await asyncio.sleep(0)
        return wire.calls, held

    assert asyncio.run(run()) == ([b"continue", b"head"], 8)


def test_closing_sends_what_is_held_and_aborting_does_not() -> None:
    async def run() -> None:
        transport, wire = together()
        transport.writelines([b"a", b"b"])
        transport.close()
        assert wire.calls == [b"ab"]
        assert transport.is_closing()
        transport, wire = together()
        transport.write(b"a")
        transport.abort()
        await asyncio.sleep(0)
        assert wire.calls == []

    asyncio.run(run())
