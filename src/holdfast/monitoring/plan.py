"""How blocks are held against a reference: all of it that does not depend on the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.against import Stack, stacked, with_nulls
from holdfast.monitoring.cells import Indices, ordered
from holdfast.monitoring.grouping import few_of, groups_of
from holdfast.monitoring.merge import Blocks, counts_of
from holdfast.monitoring.once import once
from holdfast.monitoring.season import column_table
from holdfast.records import Bins, Reference
from holdfast.statistics.histogram import shares

Floats = NDArray[np.float64]


class Layout(NamedTuple):
    """Where everything lies in a row of counts: cells, coarse groups, few groups, an empty place.

    Args:
        columns: (C,) where each column begins among the cells.
        order: (cells,) the cells, group by group.
        groups: where each group begins among those.
        few: where each of the few begins among the groups.
    """

    columns: Indices
    order: Indices
    groups: Indices
    few: Indices

    def row(self, counts: NDArray[np.int64]) -> Floats:
        """(N, cells) counts of all columns → (N, …) rows."""
        cells = counts.astype(np.float64)
        groups = np.add.reduceat(cells[:, self.order], self.groups, axis=1)
        few = np.add.reduceat(groups, self.few, axis=1)
        return np.concatenate([cells, groups, few, np.zeros((len(cells), 1))], axis=1)

    def by_column(self, cells: Floats) -> Floats:
        """(N, cells) → (N, C) sums."""
        return np.asarray(np.add.reduceat(cells, self.columns, axis=1))


@dataclass(frozen=True, slots=True)
class Plan:
    """How blocks are held against a reference.

    Args:
        bins: the columns.
        layout: of their counts.
        numeric: (C,) which are numbers.
        alone: for distances of single blocks, as finely as they were counted.
        runs: for those of several together, in coarse groups.
        groups: for evidence; ``few`` likewise, of numbers.
        losses: (cells,) mean loss in each; ``loss`` (C,) what they make of the held-out rows.
    """

    bins: tuple[Bins, ...]
    layout: Layout
    numeric: NDArray[np.bool_]
    alone: tuple[Stack, ...]
    runs: tuple[Stack, ...]
    groups: tuple[Stack, ...]
    few: tuple[Stack, ...]
    losses: Floats
    loss: Floats

    def rows(self, blocks: Blocks) -> Floats:
        """(N, …) the counts of all columns, see :class:`Layout`."""
        every = [blocks.counts[one.column] for one in self.bins]
        return self.layout.row(np.concatenate(every, axis=1))

    def known(self, flat: Floats) -> tuple[Floats, Floats]:
        """(N, C) rows of each column, and those a distance is of: of numbers, without the nulls."""
        cells = flat[:, : self.layout.order.size]
        rows = self.layout.by_column(cells)
        nulls = cells[:, np.append(self.layout.columns[1:], cells.shape[1]) - 1]
        return rows, np.where(self.numeric, rows - nulls, rows)

    def lost(self, flat: Floats) -> Floats:
        """(N, C) losses that are to be expected of the rows in the cells of each column alone."""
        return self.layout.by_column(flat[:, : self.losses.size] * self.losses)


@once
def plan_of(reference: Reference, *, by_hour: bool) -> Plan:
    """The plan of a reference.

    Args:
        reference: the held-out rows.
        by_hour: whether the hours of the blocks are known; without them no column has a season.
    """
    bins, known = reference.bins, counts_of(reference.summaries[0])
    counts = [known[one.column] for one in bins]
    groups = [groups_of(one, before) for one, before in zip(bins, counts, strict=True)]
    few = [few_of(int(one[-1]) + 1) for one in groups]
    sizes = np.array(
        [[of.size for of in groups], [of.size for of in few], [of[-1] + 1 for of in few]]
    )
    starts = (np.cumsum(sizes) - sizes.ravel()).reshape(sizes.shape)
    layout = _layout(starts, groups, few)
    row = layout.row(np.concatenate(counts)[None])[0]
    cells = [first + _in_order(one) for one, first in zip(bins, starts[0], strict=True)]
    coarse, rough = (
        [first + np.arange(size) for first, size in zip(*of, strict=True)]
        for of in zip(starts[1:], sizes[1:], strict=True)
    )
    tables = _by_hour(reference, sizes[1]) if by_hour else {}
    fewer = {i: np.add.reduceat(table, _begins(few[i]), axis=1) for i, table in tables.items()}
    numbers = [one.kind == "numeric" for one in bins]
    # Of about the same width, so that padding costs little. Over the thousand cells of a view, and
    # over those of an hour of the week, chance alone makes more than any drift.
    fine = {
        i: (one.kind, cells[i].size.bit_length())
        for i, one in enumerate(bins)
        if i not in tables and not (one.view and one.kind == "categorical")
    }
    rest = {i: one.kind for i, one in enumerate(bins) if i not in fine}
    losses = [reference.bin_loss.get(one.column, np.zeros(one.cells)) for one in bins]
    return Plan(
        bins=bins,
        layout=layout,
        numeric=np.array(numbers),
        alone=(*stacked(fine, cells, row, {}), *stacked(rest, coarse, row, tables)),
        runs=stacked(dict(enumerate(numbers)), coarse, row, tables),
        groups=with_nulls(stacked(dict.fromkeys(range(len(bins))), coarse, row, tables)),
        few=with_nulls(stacked(dict.fromkeys(np.flatnonzero(numbers).tolist()), rough, row, fewer)),
        losses=np.concatenate(losses),
        loss=np.array([shares(c) @ loss for c, loss in zip(counts, losses, strict=True)]),
    )


def _layout(starts: Indices, groups: Sequence[Indices], few: Sequence[Indices]) -> Layout:
    """Where all begins, from (3, C) where each column's cells, groups and few do."""
    into = np.concatenate([first + of for first, of in zip(starts[1], groups, strict=True)])
    fewer = np.concatenate([first + of for first, of in zip(starts[2], few, strict=True)])
    order = np.argsort(into, kind="stable")
    return Layout(starts[0], order, _begins(into[order]), _begins(fewer))


def _begins(ascending: Indices) -> Indices:
    """Where each of the numbers comes first."""
    return np.unique(ascending, return_index=True)[1]


def _in_order(bins: Bins) -> Indices:
    """The cells of a column; those of numbers in the order of their values, then the nulls."""
    cells = np.arange(bins.cells)
    return np.append(ordered(bins), cells[-1]) if bins.kind == "numeric" else cells


def _by_hour(reference: Reference, groups: Indices) -> dict[int, Floats]:
    """Place of each column with a season → (classes, groups) counts."""
    season = reference.season
    if season is None:
        return {}
    found = {
        i: column_table(season, one.column, int(size))
        for i, (one, size) in enumerate(zip(reference.bins, groups, strict=True))
    }
    return {i: table for i, table in found.items() if table is not None}
