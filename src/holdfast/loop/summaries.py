"""Summaries on disk: one small Parquet file for each batch that the recorder drained."""

from __future__ import annotations

import os
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
        """Keeps the counts of one batch; ``counts`` has a column ``hour``."""
        for (day,), part in counts.group_by(pl.col("hour").dt.date()):
            folder = self._folder(model, version) / f"date={day}"
            parquet.write(part, folder / f"{name}.parquet")

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
        if known is None or not known.files.items() <= files.items():
            known = _Day({}, pl.DataFrame())
        new = sorted(files.keys() - known.files.keys())
        if new:
            read = [
                pl.read_parquet(folder / name, hive_partitioning=False, memory_map=False)
                for name in new
            ]
            hours = compact(pl.concat([known.hours, *read] if known.files else read))
            known = _Day(files, hours, size=int(hours.estimated_size()))
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


def _listed(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {
                one.name: one.stat().st_mtime_ns
                for one in entries
                if one.name.endswith(".parquet") and not one.name.startswith(".")
            }
    except FileNotFoundError:
        return {}
