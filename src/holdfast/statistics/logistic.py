"""A logistic regression over cells: additive in the columns, without scikit-learn.

Each column is already cut into a few cells, so a coefficient a cell lets every column have any
shape; what it cannot see is columns that only move together.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def fit_logistic(design: Singles, happened: ArrayLike, ridge: float = RIDGE) -> Floats:
    """Coefficients by Newton's method, penalised by ``ridge``/2·Σβ² (but for the first).

    Args:
        design: (n, p).
        happened: (n,) 0 or 1.
        ridge: the penalty, as if each coefficient had variance 1/ridge.
    """
    x, y = design, np.asarray(happened, dtype=np.float64)
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-6
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = chance(x, beta)
        gradient = x.T @ (y - p).astype(np.float32) - penalty * beta
        half = x * np.sqrt(np.maximum(p * (1 - p), 1e-4)).astype(np.float32)[:, None]
        curvature = half.T @ half  # symmetric, which BLAS knows to be half the work
        step = np.linalg.solve(curvature.astype(np.float64) + np.diag(penalty), gradient)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-4:
            break
    return beta


def chance(design: Singles, beta: Floats) -> Floats:
    """(n,) probabilities."""
    # In one precision: else the whole design would be copied into the other.
    logit = (design @ beta.astype(np.float32)).astype(np.float64)
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
