"""Summaries on disk: one small Parquet file for each batch that the recorder drained, added up once
there are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from threading import Lock

import polars as pl

from holdfast.monitoring.merge import compact
from holdfast.recording import parquet

DAY = timedelta(days=1)
MOST_BYTES = 128 * 2**20


@dataclass
class _Day:
    """What the files of a day add up to.

    Args:
        files: their names and when each was written.
        hours: the counts by the hour.
        whole: those of the whole day, once somebody asked.
        size: bytes.
    """

    files: dict[str, int]
    hours: pl.DataFrame
    whole: pl.DataFrame | None = field(default=None)
    size: int = 0


class SummaryStore:
    """Hourly counts by model and version, partitioned by day.

    A file is named after the batch it counts, so writing a batch again replaces it: counted once.
    Days are kept in memory as far as they fit: a look reads all of them again and again.

    Args:
        root: the folder.
        most: bytes that may be kept.
    """

    def __init__(self, root: Path, most: int = MOST_BYTES) -> None:
        self._root = root
        self._most = most
        self._days: dict[Path, _Day] = {}
        self._lock = Lock()

    def write(self, model: str, version: int, counts: pl.DataFrame, name: str) -> None:
        """Keeps the counts of one batch.

        Args:
            model: whose.
            version: whose.
            counts: with a column ``hour``.
            name: of the batch, behind the name of its recorder and a hyphen. Only the newest
                batch of a recorder may be written again; earlier ones are added up.
        """
        for (day,), part in counts.group_by(pl.col("hour").dt.date()):
            folder, file = self._folder(model, version) / f"date={day}", f"{name}.parquet"
            parquet.merge(folder, name.partition("-")[0], "hour", but=file, fewer=compact)
            parquet.write(part, folder / file)

    def load(
        self,
        model: str,
        version: int,
        start: datetime,
        end: datetime,
        length: timedelta | None = None,
    ) -> pl.DataFrame | None:
        """The counts of ``start`` (inclusive) to ``end`` (exclusive); None when there are none.

        Args:
            model: whose.
            version: whose.
            start: first hour.
            end: the hour after the last.
            length: of the blocks that will be made of them, which begin at midnight when they are
                of whole days; then days that are complete come as one.
        """
        days = length is not None and length % DAY == timedelta(0)
        with self._lock:
            parts = list(self._parts(self._folder(model, version), start, end, days=days))
            self._shrink()
        return pl.concat(parts) if parts else None

    def _parts(
        self, folder: Path, start: datetime, end: datetime, *, days: bool
    ) -> Iterator[pl.DataFrame]:
        """The counts of each day that has any."""
        within = (pl.col("hour") >= start) & (pl.col("hour") < end)
        date = start.astimezone(UTC).date()
        while date <= end.astimezone(UTC).date():
            day = self._day(folder / f"date={date}")
            midnight = datetime.combine(date, time(), UTC)
            if day is not None and days and start <= midnight and midnight + DAY <= end:
                if day.whole is None:
                    day.whole = compact(day.hours, every=DAY)
                    day.size += int(day.whole.estimated_size())
                yield day.whole
            elif day is not None:
                yield day.hours.filter(within)
            date += DAY

    def _day(self, folder: Path) -> _Day | None:
        """A day as its files are now; only new ones are read."""
        files = _listed(folder)
        known = self._days.pop(folder, None)
        if not files:
            return None
        counted = {} if known is None else _merged(folder, known.files, files)
        if known is None or not counted.items() <= files.items():
            known, counted = _Day({}, pl.DataFrame()), {}
        new = sorted(files.keys() - counted.keys())
        if new:
            read = [
                pl.read_parquet(folder / name, hive_partitioning=False, memory_map=False)
                for name in new
            ]
            hours = compact(pl.concat([known.hours, *read] if known.files else read))
            known = _Day(files, hours, size=int(hours.estimated_size()))
        known.files = files
        self._days[folder] = known
        return known

    def _shrink(self) -> None:
        """Forgets the days that were not asked for the longest, until the rest fits."""
        size = sum(day.size for day in self._days.values())
        for folder in list(self._days):
            if size <= self._most:
                return
            size -= self._days.pop(folder).size

    def _folder(self, model: str, version: int) -> Path:
        return self._root / f"model={model}" / f"version={version}"


def _merged(folder: Path, counted: dict[str, int], files: dict[str, int]) -> dict[str, int]:
    """What was counted, under the names of the files that hold it now."""
    counted = dict(counted)
    for name in files.keys() - counted.keys():
        replaced = parquet.replaces(folder / name)
        if replaced and counted.keys() >= set(replaced):
            counted = {one: at for one, at in counted.items() if one not in replaced}
            counted[name] = files[name]
    return counted


def _listed(folder: Path) -> dict[str, int]:
    """The files that count, and when each was written."""
    try:
        return {path.name: path.stat().st_mtime_ns for path in parquet.live_files(folder)}
    except FileNotFoundError:  # one was added up, and deleted long after, since it was listed
        return _listed(folder)
