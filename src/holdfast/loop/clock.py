"""The time of this machine, or of a rehearsal on history."""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.ports.clock import Clock

# Native, not "<d": that copies byte by byte, and a reader could see half of a move. A native,
# aligned double is stored and loaded whole.
_FORMAT = struct.Struct("d")


class SystemClock:
    """Wall time.

    >>> SystemClock().now().tzinfo is UTC
    True
    """

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.now(UTC)

    def timestamp(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()


class RehearsalClock:
    """A time that several processes share and one of them moves.

    The file holds one double of this machine, seconds since 1970 UTC, mapped into memory: reading
    costs less than a microsecond and every process sees a move at once. With it a year of history
    runs through the real servers in minutes; see ``HOLDFAST_CLOCK``.

    Raises:
        UsageError: when the file does not hold a time.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                self._memory = mmap.mmap(file.fileno(), _FORMAT.size)
        except (OSError, ValueError) as error:
            raise UsageError(
                "clock.unreadable",
                f"HOLDFAST_CLOCK names {path}, which holds no time: {error}",
                "Make it with holdfast.loop.clock.RehearsalClock.create, or unset HOLDFAST_CLOCK.",
            ) from None

    @classmethod
    def create(cls, path: Path, start: datetime) -> RehearsalClock:
        """Makes the file, set to ``start``."""
        path.write_bytes(_FORMAT.pack(start.timestamp()))
        return cls(path)

    def timestamp(self) -> float:
        """Seconds since 1970 UTC."""
        value: float = _FORMAT.unpack_from(self._memory)[0]
        return value

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def advance(self, moment: datetime) -> None:
        """Moves the time forward; it never goes back."""
        seconds = moment.timestamp()
        if seconds > self.timestamp():
            _FORMAT.pack_into(self._memory, 0, seconds)


def make_clock(path: str | None) -> Clock:
    """The clock named by ``HOLDFAST_CLOCK``, or the machine's own."""
    return RehearsalClock(Path(path)) if path else SystemClock()
