"""How much of a label one feature explains by itself."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from holdfast.statistics.losses import Array, Floats, Indices

CELLS = 50


class Explained(NamedTuple):
    """Share of the label that is explained, with its standard error."""

    value: float
    se: float


def explained(cells: Indices, target: Floats, new_cells: Indices, new_target: Floats) -> Explained:
    """1 − loss of the cells' means / loss of the overall mean, on rows that were not averaged.

    The loss is squared error, so this is R² for values and the Brier skill score for classes. The
    standard error is that of a ratio of means (delta method; Cochran 1977, ch. 6).

    Args:
        cells: (n,) cell of each training row, from 0.
        target: (n,) or (n, k) what is to be explained; classes as columns of 0 and 1.
        new_cells: (m,) cells of the held-out rows.
        new_target: (m,) or (m, k) their targets.

    >>> halves = np.arange(100) % 2
    >>> explained(halves, halves * 1.0, halves, halves * 1.0).value > 0.99
    True
    >>> explained(halves * 0, halves * 1.0, halves * 0, halves * 1.0).value
    0.0
    """
    known = target.reshape(len(target), -1).astype(np.float64)
    wanted = new_target.reshape(len(new_target), -1).astype(np.float64)
    size = int(max(cells.max(initial=0), new_cells.max(initial=0))) + 1
    rows = np.bincount(cells, minlength=size)
    overall = known.mean(axis=0)
    total = np.stack([np.bincount(cells, column, size) for column in known.T], axis=1)
    # One row's worth of the overall mean, so that a cell of one row claims little.
    mean = (total + overall) / (rows[:, None] + 1)
    loss = np.square(wanted - mean[new_cells]).sum(axis=1)
    base = np.square(wanted - overall).sum(axis=1)
    whole = float(base.mean())
    if not whole > 0:
        return Explained(0.0, 0.0)
    ratio = float(loss.mean()) / whole
    spread = float(np.std(loss - ratio * base, ddof=1)) if len(loss) > 1 else math.inf
    return Explained(1.0 - ratio, spread / (math.sqrt(len(loss)) * whole))


def number_cells(known: Floats, new: Floats) -> tuple[Indices, Indices]:
    """Cells of numbers by the quantiles of the known ones; NaN has a cell of its own.

    >>> known, new = number_cells(np.array([1.0, 1.0, 2.0, np.nan]), np.array([0.0, 9.0, np.nan]))
    >>> known.tolist(), new.tolist()
    ([1, 1, 1, 2], [0, 1, 2])
    """
    finite = known[~np.isnan(known)]
    edges = np.zeros(0)
    if finite.size:
        edges = np.unique(np.quantile(finite, np.linspace(0, 1, CELLS + 1)[:-1], method="lower"))

    def cells(values: Floats) -> Indices:
        place = np.searchsorted(edges, values, side="right")
        return np.where(np.isnan(values), len(edges) + 1, place).astype(np.intp)

    return cells(known), cells(new)


def one_hot(labels: Array, classes: tuple[object, ...]) -> Floats:
    """(n, k) 1.0 in the column of the row's class.

    >>> one_hot(np.array(["b", "a"]), ("a", "b")).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return np.stack([(labels == one).astype(np.float64) for one in classes], axis=1)
