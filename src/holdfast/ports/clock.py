"""Time, from outside: wall time, or the time of a rehearsal on history."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where every stage takes the time from."""

    def now(self) -> datetime:
        """Aware UTC time."""
        ...

    def timestamp(self) -> float:
        """Seconds since 1970 UTC; cheap enough for the hot path."""
        ...
