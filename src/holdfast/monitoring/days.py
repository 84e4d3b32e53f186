"""How much the held-out days differ by themselves: of all rows, and of the rows of each slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.grouping import apart, effect_of, groups_of
from holdfast.monitoring.season import by_hour, expected
from holdfast.monitoring.usual import DAYS, between_days, days_apart, following, full_days
from holdfast.records import Between, Bins, SliceDays
from holdfast.statistics.histogram import regroup

MOST_SLICES = 20
SLICE_CLASSES = 48
"""Classes of hours that a slice's season may have: those of the day, weekends apart."""
_DAY = 86_400_000_000

Floats = NDArray[np.float64]
Cells = NDArray[np.intp]
Days = NDArray[np.int64]


def slice_days(
    bins: Sequence[Bins],
    cells: Mapping[str, Cells],
    micros: Days,
    slices: Mapping[str, NDArray[np.bool_]],
    follows: float = 0.0,
) -> dict[str, SliceDays]:
    """How the rows of slices vary from day to day, of those with the most rows.

    Args:
        bins: the columns.
        cells: column → (n,) cell of each row.
        micros: (n,) time of each row.
        slices: slice → (n,) which rows are of it; ``""`` is no slice.
        follows: how much a day of all rows resembles the next; those of a slice do no less, for
            it is known from fewer rows, and they share the weather.

    Returns:
        At most 20 slices; only those with enough rows on enough days to say anything.
    """
    largest = sorted((key for key in slices if key), key=lambda key: -int(slices[key].sum()))
    result = {}
    for key in largest[:MOST_SLICES]:
        rows = slices[key]
        mine = {one.column: cells[one.column][rows] for one in bins}
        season, tables = by_hour(bins, mine, micros[rows], SLICE_CLASSES)
        between = between_of(bins, mine, micros[rows] // _DAY, tables, follows)
        if between is not None:
            result[key] = SliceDays(between=between, season=season)
    return result


def long_run_spread(loss: Floats, days: NDArray[np.int64]) -> float:
    """Standard deviation between days of the mean loss, beyond what sampling explains.

    Taken over one and over three days together, times √3, and the larger kept: bad days come in
    rows, and a sum of days varies accordingly. 0 when there are fewer than ten days.
    """
    inverse = np.unique(days, return_inverse=True)[1]
    rows = np.bincount(inverse)
    enough = rows >= 30
    if enough.sum() < 2 * DAYS:
        return 0.0
    means = (np.bincount(inverse, weights=loss) / rows)[enough]
    sampling = float(np.mean(loss.var() / rows[enough]))
    variances = [float(means.var(ddof=1)) - sampling]
    threes = means[: means.size // 3 * 3].reshape(-1, 3).mean(axis=1)
    if threes.size >= DAYS:
        variances.append(3 * float(threes.var(ddof=1)) - sampling)
    return float(np.sqrt(max(*variances, 0.0)))


def loss_spreads(
    cells: Mapping[str, Cells],
    losses: Mapping[str, Sequence[float]],
    days: Days,
    slices: Mapping[str, NDArray[np.bool_]],
) -> dict[str, float]:
    """How much days differ by themselves in what each column and slice carries of the mean loss.

    See :mod:`holdfast.monitoring.attribution`; beyond sampling, as :func:`long_run_spread`.

    Args:
        cells: column → (n,) cell of each row.
        losses: column → mean loss in each of its cells.
        days: (n,) day of each row.
        slices: slice → (n,) which rows are of it; ``""`` is no slice.
    """
    each = {name: np.asarray(losses[name])[cells[name]] for name in losses}
    result = {name: long_run_spread(values, days) for name, values in each.items()}
    beyond = each[PREDICTION] - each[PREDICTION].mean()
    for key, rows in slices.items():
        if key:
            result[key] = long_run_spread(np.where(rows, beyond, 0.0), days)
    return result


def between_of(
    bins: Sequence[Bins],
    cells: Mapping[str, Cells],
    days: Days,
    seasons: Mapping[str, Days],
    follows: float = 0.0,
) -> Between | None:
    """How much days differ by themselves, by column; None when they are too few.

    Beyond what chance makes of so few rows: that, the lower bound of a distance pays for itself.
    Days of a column with a season are held against the same hours of other days.

    Args:
        bins: the columns.
        cells: column → (n,) cell of each row.
        days: (n,) day of each row.
        seasons: column → (days, classes, groups) counts, of those that have a season.
        follows: how much a day resembles the next, at least.
    """
    found, day = np.unique(days, return_inverse=True)
    full = full_days(np.bincount(day))
    if not full.size:
        return None
    others = days_apart(found, full)
    away, coarse = [], []
    for one in bins:
        if one.column in seasons:
            table = seasons[one.column]
            now, rows = table.sum(axis=1), table.sum(axis=2)
            before = [expected(table[rest].sum(axis=0), rows[[k]]) for k, rest in
                      zip(full, others, strict=True)]  # fmt: skip
            away.append(apart(one, np.concatenate(before), now[full]))
            coarse.append((expected(table.sum(axis=0), rows[full]), now[full]))
            continue
        table = np.bincount(
            day * one.cells + cells[one.column], minlength=found.size * one.cells
        ).reshape(found.size, one.cells)
        away.append(effect_of(one, others @ table, table[full]))
        groups = groups_of(one, table.sum(axis=0))
        now = regroup(table, groups)
        coarse.append((now.sum(axis=0)[None], now[full]))
    follows = max(following(coarse, found[full]), follows)
    values, chances = (np.transpose([one[part] for one in away]) for part in (0, 2))
    return between_days(values, chances, follows)
