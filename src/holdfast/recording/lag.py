"""How far the log is behind the spool, measured at the spool itself: also when no recorder runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from holdfast.recording import segments
from holdfast.recording.inventory import Found, inventory
from holdfast.recording.progress import load

_SAMPLE_BYTES = 2**20


class Lag(NamedTuple):
    """What is in the spool and not in the log yet.

    Args:
        bytes: of records.
        records: requests; beyond the first MiB estimated from the size of those in it.
        seconds: age of the oldest.
        spool_bytes: bytes of all segments, those to be deleted included.
        unreadable: segments of no known format, or with a damaged header.
    """

    bytes: int = 0
    records: int = 0
    seconds: float = 0.0
    spool_bytes: int = 0
    unreadable: int = 0


def measure_lag(spool_root: Path, state_folder: Path, now: float) -> Lag:
    """Measures the lag of a recorder, without its help.

    Args:
        spool_root: as of the recorder.
        state_folder: as of the recorder.
        now: seconds since 1970 UTC, by the clock of the predictions.

    Raises:
        DataError: when the recorder's progress is damaged.
    """
    offsets = load(state_folder / "progress.json").offsets
    found = inventory(spool_root)
    waiting = []
    for segment in found.segments:
        start = offsets.get(segment.identity, segment.begin)
        if start < segment.size:
            waiting.append((segment, start))
    total = sum(segment.size - start for segment, start in waiting)
    lag = Lag(bytes=total, spool_bytes=found.size, unreadable=len(found.unreadable))
    for segment, start in waiting:
        sample = _sample(segment, start)
        if sample.batches:
            oldest = min(batch.at for batch in sample.batches)
            records = round(len(sample.batches) * total / (sample.end - start))
            return lag._replace(records=records, seconds=max(now - oldest, 0.0))
    return lag


def _sample(segment: Found, start: int) -> segments.Scan:
    try:
        end = min(segment.size, start + _SAMPLE_BYTES)
        scan = segments.read(segment.path, start, end)
        if scan.batches or end == segment.size:
            return scan
        return segments.read(segment.path, start, segment.size)  # one record larger than a MiB
    except FileNotFoundError:  # recorded and deleted in between
        return segments.Scan([], start)
