"""A logistic regression over cells: additive in the columns, without scikit-learn.

Each column is already cut into a few cells, so a coefficient a cell lets every column have any
shape; what it cannot see is columns that only move together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

RIDGE = 2.0
STEPS = 25


def one_hot(columns: Sequence[ArrayLike], sizes: Sequence[int]) -> Singles:
    """(n, 1 + Σ sizes) indicators of cells, and a first column of ones.

    >>> one_hot([[0, 1]], [2]).tolist()
    [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    cells = [np.asarray(column, dtype=np.intp) for column in columns]
    rows = cells[0].size
    result = np.zeros((rows, 1 + sum(sizes)), dtype=np.float32)
    result[:, 0] = 1.0
    start = 1
    for cell, size in zip(cells, sizes, strict=True):
        result[np.arange(rows), start + cell] = 1.0
        start += size
    return result


def fit_logistic(
    columns: Sequence[ArrayLike],
    sizes: Sequence[int],
    happened: ArrayLike,
    ridge: float = RIDGE,
) -> Floats:
    """Coefficients of the design :func:`one_hot`, penalised by ``ridge``/2·Σβ² (but for the first).

    By Newton's method. Products of indicators are sums over cells and pairs of cells: half the time
    of multiplying the design out, and exact.

    Args:
        columns: (n,) cells of each column.
        sizes: how many cells each has.
        happened: (n,) 0 or 1.
        ridge: the penalty, as if each coefficient had variance 1/ridge.

    >>> beta = fit_logistic([[0, 0, 1, 1]], [2], [0, 1, 1, 1])
    >>> beta.round(2).tolist()
    [1.11, -0.21, 0.21]
    """
    y = np.asarray(happened, dtype=np.float64)
    widths = [1, *sizes]
    cells = [np.zeros(y.size, np.intp), *(np.asarray(column, dtype=np.intp) for column in columns)]
    spans = [slice(start, end) for start, end in pairwise(np.cumsum([0, *widths]).tolist())]
    pairs = [(i, j, cells[i] * widths[j] + cells[j]) for i, j in combinations(range(len(cells)), 2)]

    def sums(weights: Floats) -> Floats:
        each = zip(cells, widths, strict=True)
        return np.concatenate([np.bincount(cell, weights, width) for cell, width in each])

    penalty = np.full(sum(widths), ridge)
    penalty[0] = 1e-6
    beta = np.zeros(penalty.size)
    curvature = np.zeros((penalty.size, penalty.size))
    for _ in range(STEPS):
        p = _chance(sum(beta[span][cell] for span, cell in zip(spans, cells, strict=True)))
        weights = np.maximum(p * (1 - p), 1e-4)
        for i, j, both in pairs:
            table = np.bincount(both, weights, widths[i] * widths[j])
            curvature[spans[i], spans[j]] = table.reshape(widths[i], widths[j])
            curvature[spans[j], spans[i]] = table.reshape(widths[i], widths[j]).T
        np.fill_diagonal(curvature, sums(weights) + penalty)
        step = np.linalg.solve(curvature, sums(y - p) - penalty * beta)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-4:
            break
    return beta


def chance(design: Singles, beta: Floats) -> Floats:
    """(n,) probabilities."""
    # In one precision: else the whole design would be copied into the other.
    return _chance((design @ beta.astype(np.float32)).astype(np.float64))


def _chance(logit: ArrayLike) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0))))


def fit_ridge(design: Singles, target: ArrayLike, ridge: float = RIDGE) -> tuple[Floats, Floats]:
    """Least squares with the same penalty: coefficients, and their covariance for unit residuals.

    Args:
        design: (n, p).
        target: (n,).
        ridge: the penalty.
    """
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-6
    inverse = np.linalg.inv((design.T @ design).astype(np.float64) + np.diag(penalty))
    beta = inverse @ (design.T @ np.asarray(target, dtype=np.float64))
    return np.asarray(beta, dtype=np.float64), np.asarray(inverse, dtype=np.float64)
