"""All columns held against what the reference lets expect, at once.

The counts of all columns lie side by side in one row a block: their cells, then the same in coarse
groups, then in a few. Columns that are measured alike are taken from it as one table, padded with
cells that no row falls into, which neither distances nor evidence see.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.cells import Indices
from holdfast.monitoring.grouping import Tables
from holdfast.monitoring.season import expected
from holdfast.monitoring.spans import trailing
from holdfast.statistics.histogram import (
    Distance,
    Ranks,
    rank_wasserstein,
    ranks_of,
    total_variation,
)
from holdfast.statistics.multinomial import Null, log_e_against, null_of

Floats = NDArray[np.float64]


class Stack(NamedTuple):
    """Some columns as one table; the last cell of each is its nulls.

    Args:
        places: (C,) which columns.
        cells: (C, B) where their cells are in a row of counts.
        nowhere: (C, B) cells that only pad.
        before: (C, B) counts of the held-out rows.
        table: (C, classes, B) the same by hour, of columns with a season.
        ranks: what distances of numbers are from; of columns with a season, like ``null``, it
            depends on the hours.
        null: what evidence is taken against.
    """

    places: Indices
    cells: Indices
    nowhere: NDArray[np.bool_]
    before: Floats
    table: Floats | None = None
    ranks: Ranks | None = None
    null: Null | None = None

    def over(self, flat: Floats, hours: Floats | None, spans: Sequence[int] = (1,)) -> Tables:
        """What to expect, (C, B) or (S·N, C, B), and what there is, (S·N, C, B), in runs.

        Args:
            flat: (N, …) counts of all columns.
            hours: (N, classes) rows of each block by hour.
            spans: blocks of a run, S of them.
        """
        now = _runs(flat[:, self.cells], spans)
        if self.table is None or hours is None:
            return self.before, now
        return expected(self.table, _runs(hours, spans)).swapaxes(0, 1), now

    def log_e(self, flat: Floats, hours: Floats | None) -> Floats:
        """(N, C) log e-values of single blocks."""
        before, now = self.over(flat, hours)
        return log_e_against(now, self.null or self.null_of(before))

    def null_of(self, before: Floats) -> Null:
        """Evidence against as many rows as are expected."""
        return null_of(before, before.sum(axis=-1), self.nowhere)


def stacked(
    alike: Mapping[int, Hashable],
    cells: Sequence[Indices],
    row: Floats,
    tables: Mapping[int, Floats],
) -> tuple[Stack, ...]:
    """Columns put together.

    Args:
        alike: columns that are wanted, and of each what those in one stack share.
        cells: of all columns, where their cells are in a row of counts, the nulls last.
        row: such a row of the held-out rows; its last place is of no cell.
        tables: (classes, cells) counts by hour, of columns with a season.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, key in alike.items():
        groups.setdefault((key, place in tables), []).append(place)
    return tuple(_stack(places, cells, row, tables) for places in groups.values())


def _stack(
    places: list[int], cells: Sequence[Indices], row: Floats, tables: Mapping[int, Floats]
) -> Stack:
    nowhere = row.size - 1
    every = _padded([cells[place] for place in places], nowhere)
    by_hour = _padded([tables[i] for i in places], 0.0) if places[0] in tables else None
    before = row[every]
    ranks = ranks_of(before[:, :-1]) if by_hour is None else None
    return Stack(np.array(places), every, every == nowhere, before, by_hour, ranks)


def with_nulls(stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    """Stacks that evidence is taken of."""
    return tuple(
        one._replace(null=one.null_of(one.before)) if one.table is None else one for one in stacks
    )


def distances(
    stacks: Iterable[Stack], numeric: NDArray[np.bool_], flat: Floats, hours: Floats | None,
    spans: Sequence[int],
) -> list[Distance]:  # fmt: skip
    """(C, N) for each span: of numbers by rank, without the nulls; else by share.

    Args:
        stacks: of columns that are all numbers or all not.
        numeric: (C,) which columns are.
        flat: as :meth:`Stack.over`, like all that follow.
        hours: rows by hour.
        spans: blocks of a run.
    """
    result = np.zeros((3, numeric.size, len(spans) * len(flat)))
    for stack in stacks:
        before, now = stack.over(flat, hours, spans)
        if numeric[stack.places[0]]:
            found = rank_wasserstein(stack.ranks or before[..., :-1], now[..., :-1])
        else:
            found = total_variation(before, now)
        for whole, part in zip(result, found, strict=True):
            whole[stack.places] = part.T
    return [Distance(*part) for part in np.split(result, len(spans), axis=-1)]


def _runs(counts: Floats, spans: Sequence[int]) -> Floats:
    """(N, …) → (S·N, …): runs of each span."""
    return np.concatenate([trailing(counts, span, axis=0) for span in spans])


def log_es(
    groups: Iterable[Stack], few: Iterable[Stack], columns: int, flat: Floats, hours: Floats | None
) -> Floats:
    """(C, N) log e-values of each column.

    Of numbers the mean of two, one over few groups: what is shared out over fewer directions is
    sooner sure of a small shift.

    Args:
        groups: all columns in coarse groups.
        few: the numbers, in a few.
        columns: C.
        flat: as :meth:`Stack.over`.
        hours: rows by hour.
    """
    result = np.zeros((columns, len(flat)))
    for stack in groups:
        result[stack.places] = stack.log_e(flat, hours).T
    for stack in few:
        fine = result[stack.places]
        result[stack.places] = np.logaddexp(fine, stack.log_e(flat, hours).T) - np.log(2)
    return result


def _padded(rows: Sequence[NDArray[Any]], filling: float) -> NDArray[Any]:
    """(C, …, B) arrays of several widths; the last of each stays the last."""
    width = max(one.shape[-1] for one in rows)
    result = np.full((len(rows), *rows[0].shape[:-1], width), filling, dtype=rows[0].dtype)
    for wide, one in zip(result, rows, strict=True):
        wide[..., : one.shape[-1] - 1] = one[..., :-1]
        wide[..., -1] = one[..., -1]
    return result
