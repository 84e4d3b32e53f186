"""Merging summaries is adding them up; and their two forms, records and stored rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.monitoring.cells import SCHEMA, as_lists
from holdfast.monitoring.season import HOURS, hour_of_week
from holdfast.records import Bins, ColumnSummary, Reference, Summary

Counts = NDArray[np.int64]

_CELLS = 2**16  # more than a column may have
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Counted(Protocol):
    """A stored column: its name and its number of cells."""

    @property
    def column(self) -> str:
        """The name."""
        ...

    @property
    def cells(self) -> int:
        """The number of cells, nulls included."""
        ...


@dataclass(frozen=True, slots=True)
class Blocks:
    """Counts of consecutive blocks of time, one slice.

    Args:
        starts: (N,) when each block begins.
        length: how long each is.
        counts: column → (N, cells).
        hours: (N, 168) rows by hour of the week, 0 from Monday at midnight; None when unknown.
    """

    starts: tuple[datetime, ...]
    length: timedelta
    counts: dict[str, Counts]
    hours: Counts | None = None

    @property
    def rows(self) -> Counts:
        """(N,) predictions in each block."""
        if not self.counts:
            return np.zeros(len(self.starts), dtype=np.int64)
        return np.asarray(next(iter(self.counts.values())).sum(axis=1), dtype=np.int64)


def merge(summaries: Iterable[Summary]) -> Summary:
    """Adds up summaries of one version and slice; ``hour`` is the earliest.

    Raises:
        DataError: when there are none, or when they are of different columns.
    """
    parts = list(summaries)
    if not parts:
        raise DataError("monitoring.nothing", "there are no summaries to merge")
    names = [column.column for column in parts[0].columns]
    for part in parts:
        if [column.column for column in part.columns] != names:
            raise DataError("monitoring.mixed", "summaries of different columns cannot be merged")
    columns = [_add([part.columns[i] for part in parts]) for i in range(len(names))]
    return Summary(
        model=parts[0].model,
        version=parts[0].version,
        hour=min(part.hour for part in parts),
        slice=parts[0].slice,
        rows=sum(part.rows for part in parts),
        columns=tuple(columns),
    )


def to_frame(summaries: Iterable[Summary]) -> pl.DataFrame:
    """Records to stored rows (:data:`~holdfast.monitoring.cells.SCHEMA`)."""
    rows: list[dict[str, Any]] = []
    for summary in summaries:
        for column in summary.columns:
            occupied = [i for i, value in enumerate(column.counts) if value]
            rows.append(
                {
                    "model": summary.model, "version": summary.version, "hour": summary.hour,
                    "slice": summary.slice, "column": column.column, "n": column.n,
                    "cells": occupied, "counts": [column.counts[i] for i in occupied],
                    "total": column.total, "squares": column.squares, "low": column.low,
                    "high": column.high,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA)


def from_frame(frame: pl.DataFrame, reference: Reference) -> list[Summary]:
    """Stored rows to records, by hour and slice; rows of the same key are added up."""
    bins = {one.column: one for one in reference.bins}
    frame = frame.filter(pl.col("column").is_in(list(bins)))
    groups: dict[tuple[str, int, datetime, str], dict[str, list[ColumnSummary]]] = {}
    for row in compact(frame).iter_rows(named=True):
        key = (row["model"], row["version"], row["hour"], row["slice"])
        groups.setdefault(key, {}).setdefault(row["column"], []).append(
            _dense(row, bins[row["column"]])
        )
    result = []
    for (model, version, hour, part), columns in sorted(groups.items(), key=lambda item: item[0]):
        summed = tuple(_add(columns[name]) for name in bins if name in columns)
        rows = sum(summed[0].counts)
        result.append(
            Summary(model=model, version=version, hour=hour, slice=part, rows=rows, columns=summed)
        )
    return result


def compact(frame: pl.DataFrame, every: timedelta | None = None) -> pl.DataFrame:
    """Adds up stored rows of the same key, and of ``every`` so long a time when given.

    Old hours may be kept as days: the sums of any longer window stay bit-identical.
    """
    if every is not None:
        frame = frame.with_columns(pl.col("hour").dt.truncate(every))
    key = ["model", "version", "hour", "slice", "column"]
    again = frame.select(key).is_duplicated()
    if not again.any():
        return frame
    once, frame = frame.filter(~again), frame.filter(again)
    frame = frame.with_columns(id=pl.struct(key).rank("dense").cast(pl.Int64) - 1)
    merged = (
        frame.group_by("id")
        .agg(
            pl.col(*key).first(),
            pl.col("n", "total", "squares").sum(),
            pl.col("low").min(),
            pl.col("high").max(),
        )
        .sort("id")
    )
    summed = (
        frame.select("id", "cells", "counts")
        .explode(["cells", "counts"])
        .drop_nulls("cells")
        .select(place=pl.col("id") * _CELLS + pl.col("cells"), count="counts")
        .group_by("place")
        .agg(pl.col("count").sum())
        .sort("place")
    )
    place = summed["place"].to_numpy()
    lengths = np.bincount(place // _CELLS, minlength=merged.height)
    merged = merged.with_columns(
        cells=as_lists((place % _CELLS).astype(np.uint16), lengths),
        counts=as_lists(summed["count"].to_numpy().astype(np.uint32), lengths),
    )
    return pl.concat([once, merged.select(once.columns)])


def blocks(
    frame: pl.DataFrame,
    bins: Sequence[Counted],
    *,
    since: datetime,
    until: datetime,
    length: timedelta,
    slice_key: str = "",
) -> Blocks:
    """Adds up stored rows into the complete blocks between two times.

    Args:
        frame: stored rows of one version, in any order, the same key as often as it likes.
        bins: the columns that are wanted.
        since: start of the first block.
        until: only blocks that ended by then.
        length: whole hours.
        slice_key: such as ``origin=JFK``; all rows by default.
    """
    (found,) = blocks_of(
        frame, [bins], since=since, until=until, length=length, slice_key=slice_key
    )
    return found


def blocks_of(
    frame: pl.DataFrame,
    groups: Sequence[Sequence[Counted]],
    *,
    since: datetime,
    until: datetime,
    length: timedelta,
    slice_key: str = "",
) -> list[Blocks]:
    """As :func:`blocks`, for several groups of columns, from one reading of the stored rows."""
    number = max(int((until - since) / length), 0)
    starts = tuple(since + i * length for i in range(number))
    wanted = {one.column: one.cells for group in groups for one in group}
    # One series at a time, in this thread: of so few, waking others takes longer than the work.
    codes = frame["column"].cast(pl.Enum(list(wanted)), strict=False).to_physical()
    of = (codes.cast(pl.Int64).fill_null(-1) if codes.null_count() else codes).to_numpy()
    hours = frame["hour"].cast(SCHEMA["hour"]).cast(pl.Int64).to_numpy()
    lengths = frame["cells"].list.len().to_numpy()
    block = (hours - _microseconds(since - _EPOCH)) // _microseconds(length)
    kept = (frame["slice"] == slice_key).to_numpy() & (block >= 0) & (block < number)
    kept &= (of >= 0) & (lengths > 0)
    of, hours, lengths, block = of[kept], hours[kept], lengths[kept], block[kept]
    entries = [frame[name].filter(pl.Series(kept)) for name in ("cells", "counts")]
    cells, counts = (one.explode().to_numpy() for one in entries)
    sizes = number * np.array(list(wanted.values()), dtype=np.int64)
    begins = np.cumsum(sizes) - sizes
    place = begins[of] + block * (sizes // max(number, 1))[of]
    summed = _poured(np.repeat(place, lengths) + cells, counts, int(sizes.sum()))
    tables = {
        name: summed[start : start + number * width].reshape(number, width)
        for (name, width), start in zip(wanted.items(), begins.tolist(), strict=True)
    }
    week = block * HOURS + hour_of_week(hours)
    result, first = [], 0
    for group in groups:
        one = of == first
        in_it = counts[np.repeat(one, lengths)]
        by_hour = _poured(np.repeat(week[one], lengths[one]), in_it, number * HOURS)
        own = {one.column: tables[one.column] for one in group}
        result.append(Blocks(starts, length, own, by_hour.reshape(number, HOURS)))
        first += len(group)
    return result


def total(
    frame: pl.DataFrame, reference: Reference, *, since: datetime, until: datetime, slice_key: str
) -> Summary | None:
    """Everything between two times as one record; None when there is nothing."""
    rows = frame.filter(
        (pl.col("slice") == slice_key) & (pl.col("hour") >= since) & (pl.col("hour") < until)
    )
    if not rows.height:
        return None
    return merge(from_frame(rows.with_columns(hour=pl.lit(rows["hour"].min())), reference))


def counts_of(summary: Summary) -> dict[str, Counts]:
    """Column → (cells,) counts of a record."""
    return {column.column: np.asarray(column.counts) for column in summary.columns}


def _poured(places: NDArray[Any], counts: NDArray[Any], size: int) -> Counts:
    """(size,) counts added up; sums of whole numbers below 2**53 are exact in float64."""
    return np.bincount(places, weights=counts, minlength=size).astype(np.int64)


def _add(parts: list[ColumnSummary]) -> ColumnSummary:
    lows = [part.low for part in parts if part.low is not None]
    highs = [part.high for part in parts if part.high is not None]
    counts: Counts = np.asarray([part.counts for part in parts], dtype=np.int64).sum(axis=0)
    return ColumnSummary(
        column=parts[0].column,
        counts=tuple(counts.tolist()),
        n=sum(part.n for part in parts),
        total=sum(part.total for part in parts),
        squares=sum(part.squares for part in parts),
        low=min(lows, default=None),
        high=max(highs, default=None),
    )


def _dense(row: dict[str, Any], bins: Bins) -> ColumnSummary:
    counts = np.zeros(bins.cells, dtype=np.int64)
    counts[row["cells"] or []] = row["counts"] or []
    return ColumnSummary(
        column=bins.column, counts=tuple(counts.tolist()), n=row["n"], total=row["total"],
        squares=row["squares"], low=row["low"], high=row["high"],
    )  # fmt: skip


def _microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
