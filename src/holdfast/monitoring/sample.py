"""A bounded sample of rows as coarse cells: what the reference keeps, and what a block shows.

Cells, not values: nothing of a row can be read back that the bins do not say already, and what the
spec redacts is hashed or absent in both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.cells import PREDICTION, Binned, index, ordered, outside
from holdfast.records import Bins, Reference, Sample
from holdfast.statistics.histogram import coarsen

MOST_ROWS = 5000
MOST_VALUES = 400_000
GROUPS = 16
_LOSS = 65_535

Floats = NDArray[np.float64]
Cells = NDArray[np.intp]


def grouping(bins: Bins, counts: NDArray[np.int64]) -> Cells:
    """(cells,) the coarse group of each cell of a column.

    The nulls have one of their own, and so has what lies outside of all that was held out.
    """
    groups = np.zeros(bins.cells, dtype=np.intp)
    if bins.kind == "numeric":
        order = ordered(bins)
        groups[order] = coarsen(counts[order], GROUPS)
    else:
        groups = np.minimum(np.arange(bins.cells), GROUPS - 1)
    most = int(groups.max())
    groups[list(outside(bins))] = most + 1
    groups[-1] = most + 2
    return groups


def groupings(reference: Reference) -> dict[str, Cells]:
    """The groups of every column; they follow from the counts of the held-out rows.

    Without views: of a text or an embedding only the value itself could be sampled later.
    """
    counts = {one.column: np.asarray(one.counts) for one in reference.summaries[0].columns}
    plain = (one for one in reference.bins if not one.view)
    return {one.column: grouping(one, counts[one.column]) for one in plain}


def take_sample(
    reference: Reference, binned: Mapping[str, Binned], truth: Floats, losses: Floats
) -> Sample:
    """Held-out rows, evenly spread; at most 5,000, fewer with more than eighty columns.

    Args:
        reference: frozen from the same rows.
        binned: every column as cells.
        truth: (n,) as of :func:`holdfast.monitoring.freeze.freeze`.
        losses: (n,) bounded losses.
    """
    most = min(MOST_ROWS, max(MOST_VALUES // max(len(binned), 1), 1000))
    rows = np.unique(np.linspace(0, losses.size - 1, min(most, losses.size)).astype(np.intp))
    groups = groupings(reference)
    cells = {
        name: group[binned[name].cells[rows]].astype(np.uint8).tobytes()
        for name, group in groups.items()
    }
    happened = np.where(np.isin(truth[rows], (0.0, 1.0)), truth[rows], 0.0)
    return Sample(
        rows=rows.size,
        cells=cells,
        predictions=binned[PREDICTION].cells[rows].astype("<u2").tobytes(),
        outcomes=happened.astype(np.uint8).tobytes(),
        losses=np.round(losses[rows] * _LOSS).astype("<u2").tobytes(),
    )


def outcomes_of(sample: Sample) -> tuple[Cells, Floats, Floats]:
    """(n,) cell of the prediction, outcome and loss of each row."""
    cells = np.frombuffer(sample.predictions, dtype="<u2").astype(np.intp)
    happened = np.frombuffer(sample.outcomes, dtype=np.uint8).astype(np.float64)
    loss = np.frombuffer(sample.losses, dtype="<u2").astype(np.float64) / _LOSS
    return cells, happened, loss


def groups_of(sample: Sample) -> dict[str, Cells]:
    """(n,) group of each row, by column."""
    return {
        name: np.frombuffer(data, dtype=np.uint8).astype(np.intp)
        for name, data in sample.cells.items()
    }


def production_groups(reference: Reference, rows: pl.DataFrame) -> dict[str, Cells]:
    """The same of rows of the log, for the columns that they have.

    Args:
        reference: of the version that answered.
        rows: features, and ``prediction`` as the summaries count it.
    """
    groups = groupings(reference)
    return {
        bins.column: groups[bins.column][index(rows[bins.column], bins).cells]
        for bins in reference.bins
        if bins.column in groups and bins.column in rows.columns
    }
