"""Summaries on disk: one small Parquet file for each batch that the recorder drained."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from holdfast.recording import parquet

DAY = timedelta(days=1)


class SummaryStore:
    """Hourly counts by model and version, partitioned by day.

    A file is named after the batch it counts, so writing a batch again replaces it: counted once.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[Path, tuple[int, pl.DataFrame]] = {}

    def write(self, model: str, version: int, counts: pl.DataFrame, name: str) -> None:
        """Keeps the counts of one batch; ``counts`` has a column ``hour``."""
        for (day,), part in counts.group_by(pl.col("hour").dt.date()):
            folder = self._folder(model, version) / f"date={day}"
            parquet.write(part, folder / f"{name}.parquet")

    def load(self, model: str, version: int, start: datetime, end: datetime) -> pl.DataFrame | None:
        """The counts of ``start`` (inclusive) to ``end`` (exclusive); None when there are none."""
        folder = self._folder(model, version)
        files: list[Path] = []
        day = start.date()
        while day <= end.date():
            files.extend(sorted((folder / f"date={day}").glob("*.parquet")))
            day += DAY
        if not files:
            return None
        counts = pl.concat([self._frame(file) for file in files], how="vertical")
        return counts.filter((pl.col("hour") >= start) & (pl.col("hour") < end))

    def _frame(self, file: Path) -> pl.DataFrame:
        """One file, kept in memory: a look reads all of them again and again."""
        changed = file.stat().st_mtime_ns
        known = self._read.get(file)
        if known is None or known[0] != changed:
            known = (changed, pl.read_parquet(file, hive_partitioning=False, memory_map=False))
            self._read[file] = known
        return known[1]

    def _folder(self, model: str, version: int) -> Path:
        return self._root / f"model={model}" / f"version={version}"
