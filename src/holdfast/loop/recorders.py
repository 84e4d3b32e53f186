"""The recorder seen from outside: its lag, and what it said of itself last."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.loop.container import Container
from holdfast.recording.lag import measure_lag
from holdfast.recording.progress import read_status
from holdfast.records import Record

RECORDER = "main"
WORTH_SECONDS = 30.0


class RecorderState(Record, frozen=True, kw_only=True):
    """How recording is now.

    Args:
        lag_bytes: bytes of the spool that are not in the log yet.
        lag_records: the same in requests, about.
        lag_seconds: age of the oldest of them.
        spool_bytes: bytes of the spool.
        rows: rows recorded since the beginning.
        damaged: damaged stretches of segments that were passed over since the beginning.
        torn_bytes: bytes of unfinished records of servers that died, since the beginning.
        unreadable: segments left on the disk because they are of no known format.
        problem: why the recorder's last attempt failed; empty when it did not.
    """

    lag_bytes: int
    lag_records: int
    lag_seconds: float
    spool_bytes: int
    rows: int
    damaged: int
    torn_bytes: int
    unreadable: int
    problem: str

    def lines(self) -> Iterator[str]:
        """What is worth a word; nothing when all is well."""
        if self.lag_seconds > WORTH_SECONDS:
            yield (
                f"recorder is about {self.lag_records:,} predictions and "
                f"{self.lag_seconds:,.0f} s behind; is it running?"
            )
        if self.problem:
            yield f"recorder fails: {self.problem}"
        if self.damaged:
            yield f"{self.damaged:,} damaged stretches of the spool were passed over"
        if self.unreadable:
            yield f"{self.unreadable:,} files of the spool cannot be read; see recorder.log"


def recorder_state(container: Container) -> RecorderState:
    """Measures the lag of this home's recorder.

    Raises:
        DataError: when the recorder's progress is damaged.
    """
    state = container.settings.folder("recorder") / RECORDER
    now = container.clock.timestamp()
    lag = measure_lag(container.settings.folder("spool"), state, now)
    told = read_status(state)
    return RecorderState(
        lag_bytes=lag.bytes,
        lag_records=lag.records,
        lag_seconds=lag.seconds,
        spool_bytes=lag.spool_bytes,
        rows=told.rows if told else 0,
        damaged=told.skipped if told else 0,
        torn_bytes=told.torn if told else 0,
        unreadable=lag.unreadable,
        problem=told.problem if told else "",
    )
