"""Where the server leaves predictions before it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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

    def extend(self, batches: Sequence[PredictionBatch]) -> bool:
        """Writes records in one piece, all or none of them, as :meth:`append` does one."""
        ...

    def synced(self) -> Awaitable[bool] | None:
        """What to wait for until what the caller appended just now survives the loss of power too.

        Returns:
            None unless that was asked for; else False when the disk refused. Many callers share
            one synchronisation.
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
