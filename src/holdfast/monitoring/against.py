"""Columns held against what the reference lets expect, many of them at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.grouping import Tables, fewer, grouped
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.season import classes_of, column_table, expected
from holdfast.monitoring.spans import trailing
from holdfast.records import Bins, Reference
from holdfast.statistics.eprocess import multinomial_log_e
from holdfast.statistics.histogram import Distance, rank_wasserstein, total_variation

Floats = NDArray[np.float64]


class Held(NamedTuple):
    """One column in coarse groups.

    Args:
        before: (groups,) counts of the held-out rows.
        now: (N, groups) counts of blocks.
        table: (classes, groups) counts of the held-out rows by hour, where the column has a season.
        rows: (N, classes) rows of blocks by hour.
    """

    before: Floats
    now: Floats
    table: Floats | None = None
    rows: Floats | None = None

    def over(self, span: int) -> Tables:
        """What to expect, and what there is, in runs of so many blocks."""
        now = trailing(self.now, span)
        if self.table is None or self.rows is None:
            return self.before[None], now
        return expected(self.table, trailing(self.rows, span)), now

    def values(self, bins: Bins, span: int) -> Tables:
        """Likewise; of numbers without the nulls, whose group is the last."""
        before, now = self.over(span)
        return (before[:, :-1], now[:, :-1]) if bins.kind == "numeric" else (before, now)


def held_against(
    reference: Reference, blocks: Blocks, bins: Bins, before: Floats, counts: NDArray[np.int64]
) -> Held:
    """A column as it is held against the reference: against the same hours, if it has a season."""
    all_hours, now = grouped(bins, before, counts)
    season = reference.season
    if season is None or blocks.hours is None or bins.column not in season.columns:
        return Held(all_hours, now)
    table = column_table(season, bins.column, all_hours.size)
    return Held(all_hours, now, table, classes_of(season, blocks.hours))


def log_es(kinds: Sequence[str], held: Sequence[Held]) -> list[Floats]:
    """(N,) log e-values of each column.

    Of numbers the mean of two, one over few groups: what is shared out over fewer directions is
    sooner sure of a small shift.
    """
    tables = [one.over(1) for one in held]
    fine = _log_es(tables)
    numbers = [i for i, kind in enumerate(kinds) if kind == "numeric"]
    few = _log_es([fewer(tables[i]) for i in numbers])
    for i, log_e in zip(numbers, few, strict=True):
        fine[i] = np.logaddexp(fine[i], log_e) - np.log(2)
    return fine


def distances(kinds: Sequence[str], tables: Sequence[Tables]) -> Distance:
    """(C, N) distances."""
    result = Distance(*np.zeros((3, len(tables), len(tables[0][1]) if tables else 0)))
    shapes = [np.atleast_2d(before).shape for before, _ in tables]
    for places in _alike(list(zip(kinds, shapes, strict=True))):
        before, now = _stacked([tables[i] for i in places])
        numeric = kinds[places[0]] == "numeric"
        found = (rank_wasserstein if numeric else total_variation)(before, now)
        for whole, part in zip(result, found, strict=True):
            whole[places] = part
    return result


def _log_es(tables: Sequence[Tables]) -> list[Floats]:
    result: list[Floats] = [np.zeros(0)] * len(tables)
    for places in _alike([before.shape for before, _ in tables]):
        before, now = _stacked([tables[i] for i in places])
        found = multinomial_log_e(now, before, before.sum(axis=-1))
        for i, log_e in zip(places, found, strict=True):
            result[i] = log_e
    return result


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Places of equal keys."""
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return list(found.values())


def _stacked(tables: Sequence[Tables]) -> Tables:
    """(C, 1, B) or (C, N, B), and (C, N, B)."""
    before, now = zip(*tables, strict=True)
    return np.stack([np.atleast_2d(one) for one in before]), np.stack(now)
