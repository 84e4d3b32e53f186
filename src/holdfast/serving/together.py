"""Head and body of an answer in one system call instead of two."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


class Together(asyncio.Transport):
    """A transport that holds the first write until the second, or the next turn of the loop.

    An answer is written as a head and a body, each of which would wake the client.

    Args:
        transport: what is really written to.
        loop: whose turn it is.
    """

    __slots__ = ("_held", "_loop", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: Any = None
        self._waiting = False

    def write(self, data: Any) -> None:
        """Holds ``data``, or sends it behind what is held."""
        if self._held is not None:
            data, self._held = self._held + data, None
            self._transport.write(data)
            return
        self._held = data
        if not self._waiting:
            self._waiting = True
            self._loop.call_soon(self._turn)

    def send(self, data: bytes) -> None:
        """Sends a whole answer at once, behind what is held."""
        self._flush()
        self._transport.write(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Sends all behind what is held."""
        self.write(b"".join(list_of_data))

    def _turn(self) -> None:
        self._waiting = False
        self._flush()

    def _flush(self) -> None:
        if self._held is not None:
            data, self._held = self._held, None
            self._transport.write(data)

    def close(self) -> None:
        """Sends what is held, then closes."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self._held = None
        self._transport.abort()

    def is_closing(self) -> bool:
        """As of the transport."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As of the transport."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """As of the transport."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As of the transport."""
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """As of the transport, with what is held."""
        return self._transport.get_write_buffer_size() + len(self._held or b"")

    def can_write_eof(self) -> bool:
        """As of the transport."""
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        """Sends what is held, then says that no more comes."""
        self._flush()
        self._transport.write_eof()
