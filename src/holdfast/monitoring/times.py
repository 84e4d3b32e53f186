"""Blocks of time begin at full hours or midnights; times come in two forms."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

_HOUR = timedelta(hours=1)


def whole_hours(length: timedelta) -> timedelta:
    """The length of a block. Summaries are kept by the hour, so it is at least one.

    >>> whole_hours(timedelta(minutes=100))
    datetime.timedelta(seconds=7200)
    """
    return max(round(length / _HOUR), 1) * _HOUR


def align(since: datetime, length: timedelta) -> datetime:
    """The start of the block that a time is in: a midnight for blocks of days."""
    start = since.replace(minute=0, second=0, microsecond=0)
    return start.replace(hour=0) if length % timedelta(days=1) == timedelta(0) else start


def with_times(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Times as datetimes in UTC, whichever of the two forms they came in."""
    result = []
    for name in ("at", "label_at"):
        kind = outcomes.schema[name]
        column = pl.col(name)
        if kind.is_numeric() or kind == pl.Null:
            micros = (column.cast(pl.Float64) * 1e6).round().cast(pl.Int64)
            column = micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        elif isinstance(kind, pl.Datetime) and kind.time_zone is None:
            column = column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        else:
            column = column.cast(pl.Datetime("us", "UTC"))
        result.append(column)
    return outcomes.with_columns(result)
