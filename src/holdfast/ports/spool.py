"""Where the server leaves predictions before it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from holdfast.records import PredictionBatch


class Spool(Protocol):
    """A durable, bounded, append-only queue of predictions."""

    def append(self, batch: PredictionBatch) -> bool:
        """Writes one record; on return it survives the death of the process.

        Returns:
            False when it could not be written (full disk or limit); the loss is counted.
        """
        ...

    async def synced(self) -> bool:
        """Waits until what the caller appended just now survives the loss of power too.

        At once unless that was asked for; many callers share one synchronisation.

        Returns:
            False when the disk refused.
        """
        ...

    def watch(self, tell: Callable[[int, bool], None]) -> None:
        """Calls ``tell`` now and then with the bytes in use and whether it is healthy."""
        ...

    @property
    def healthy(self) -> bool:
        """False while records cannot be written."""
        ...

    @property
    def lost(self) -> int:
        """Records that could not be written since the start."""
        ...
