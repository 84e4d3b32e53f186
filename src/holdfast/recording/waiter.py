"""Somebody who waits for a synchronisation that another thread makes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple


class Waiter(NamedTuple):
    """Somebody who waits for a synchronisation."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[bool]

    def tell(self, *, done: bool) -> None:
        """Says how it went, from another thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._settle, done)

    def _settle(self, *done: bool) -> None:
        if not self.future.done():
            self.future.set_result(*done)
