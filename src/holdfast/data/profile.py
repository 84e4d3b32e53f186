"""What one column looks like: whole, by day, and how long it stood still."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MINIMUM = 30  # fewest rows from which anything is concluded
_ALMOST = timedelta(hours=3)


class Day(NamedTuple):
    """24 hours of a column from ``start``; ``spread`` is the distance of the quartiles."""

    start: datetime
    rows: int
    null_share: float
    median: float | None
    spread: float | None


class Run(NamedTuple):
    """Rows in a row, by time, with one value: how many, and from first to last in seconds."""

    rows: int
    seconds: float


def days(times: pl.Series, values: pl.Series) -> list[Day]:
    """A column day by day, oldest first; days of fewer than 30 rows are left out.

    Days are counted back from the newest row, 24 hours each, because data usually end in the middle
    of a calendar day, and its first hours alone look like another world. For the same reason the
    oldest day is left out unless it is nearly whole.

    Args:
        times: (n,) time of each row.
        values: (n,) the column; numbers get a median and a spread.
    """
    value = pl.col("value")
    number = value.cast(pl.Float64) if values.dtype.is_numeric() else pl.lit(None, pl.Float64)
    newest = times.max()
    if not isinstance(newest, datetime):
        return []
    age = (newest - pl.col("time")).dt.total_days()
    table = (
        pl.DataFrame({"time": times, "value": values})
        .with_columns(day=newest - pl.duration(days=1) * (age + 1))
        .group_by("day")
        .agg(
            rows=pl.len(),
            null_share=value.is_null().mean(),
            median=number.median(),
            spread=number.quantile(0.75) - number.quantile(0.25),
        )
        .filter(pl.col("rows") >= MINIMUM)
        .sort("day")
    )
    found = [Day(*row) for row in table.iter_rows()]
    oldest = times.min()
    whole = isinstance(oldest, datetime) and bool(found) and oldest <= found[0].start + _ALMOST
    return found if whole or len(found) < 2 else found[1:]


def quantiles(values: pl.Series) -> tuple[float, ...]:
    """The five quantiles of the numbers that are not zero; empty when there are too few.

    Zeros are left out because many columns are mostly zero (rain, say), and zero has no unit.
    """
    numbers = values.drop_nulls().cast(pl.Float64)
    numbers = numbers.filter((numbers != 0) & numbers.is_finite())
    if numbers.len() < MINIMUM:
        return ()
    return tuple(float(np.quantile(numbers.to_numpy(), share)) for share in QUANTILES)


def longest_run(times: pl.Series, values: pl.Series) -> Run:
    """The longest time, and the most rows, during which a column kept one value (rows by time)."""
    starts, ends = _runs(values)
    if not len(starts):
        return Run(0, 0.0)
    moments = times.filter(values.is_not_null()).dt.timestamp("us").to_numpy()
    lasted = (moments[ends] - moments[starts]) / 1e6
    return Run(int((ends - starts).max()) + 1, float(lasted.max()))


def newest_run(times: pl.Series, values: pl.Series) -> Run:
    """The run that the newest rows are in."""
    starts, ends = _runs(values)
    if not len(starts):
        return Run(0, 0.0)
    moments = times.filter(values.is_not_null()).dt.timestamp("us")
    lasted = (moments[int(ends[-1])] - moments[int(starts[-1])]) / 1e6
    return Run(int(ends[-1] - starts[-1]) + 1, float(lasted))


def _runs(values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """First and last position of each run among the values that are not null."""
    known = values.drop_nulls()
    if known.is_empty():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    starts = known.ne_missing(known.shift(1)).arg_true().to_numpy()
    if not len(starts) or starts[0] != 0:
        starts = np.concatenate([[0], starts])
    return starts, np.append(starts[1:], known.len()) - 1
