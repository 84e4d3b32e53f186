"""Where the server leaves predictions before it answers."""

from __future__ import annotations

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

    @property
    def healthy(self) -> bool:
        """False while records cannot be written."""
        ...

    @property
    def lost(self) -> int:
        """Records that could not be written since the start."""
        ...
