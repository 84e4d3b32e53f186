"""The held-out rows day by day, small enough to travel in the bundle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.estimate import estimate_counts
from holdfast.records import HeldOutDay, History, Reference
from holdfast.spec import Task

CELLS = 16
MOST_DAYS = 400

Floats = NDArray[np.float64]
Cells = NDArray[np.intp]


def history(
    reference: Reference, task: Task, cells: Cells, losses: Floats, days: NDArray[np.int64]
) -> History:
    """What the monitors would have seen on each day of the held-out rows.

    Args:
        reference: frozen from the same rows.
        task: what is predicted.
        cells: (n,) cell of each prediction.
        losses: (n,) bounded losses.
        days: (n,) number of the day of each row; the newest 400 are kept.
    """
    edges = np.unique(np.quantile(losses, np.arange(1, CELLS) / CELLS))
    place = np.searchsorted(edges, losses, side="left")
    size = edges.size + 1
    rows = np.bincount(place, minlength=size)
    sums = np.bincount(place, weights=losses, minlength=size)
    found, day = np.unique(days, return_inverse=True)
    width = reference.bins[0].cells
    by_loss = np.bincount(day * size + place, minlength=found.size * size)
    by_cell = np.bincount(day * width + cells, minlength=found.size * width)
    result = []
    for counts, shown in zip(
        by_loss.reshape(-1, size)[-MOST_DAYS:], by_cell.reshape(-1, width)[-MOST_DAYS:], strict=True
    ):
        said = estimate_counts(shown, reference, task, minimum=1)
        result.append(
            HeldOutDay(
                losses=tuple(counts.tolist()),
                expected=reference.loss if said.value is None else said.value,
                error=0.0 if said.error is None else said.error,
            )
        )
    values = np.where(rows > 0, sums / np.maximum(rows, 1), 0.0)
    return History(values=tuple(values.tolist()), days=tuple(result))
