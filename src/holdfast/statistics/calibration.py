"""How far probabilities are from what happens: the calibration error with bounds.

Rows are sorted by the probability and cut into cells of equal size. In a cell the mean of outcome
minus probability is δ with standard error s. The squared error θ = Σ w·δ² is estimated without the
bias that plain "expected calibration error" has: Σ w·(δ² − s²) (Kumar, Liang, Ma 2019, "Verified
uncertainty calibration", arXiv 1909.10155). Its root is never below the expected calibration error
Σ w·|δ| over the same cells (Jensen), so a bound on it bounds both.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from holdfast.errors import DataError
from holdfast.statistics.losses import Floats

CELLS = 15
FEWEST = 20
"""Rows in a cell below which its standard error says little."""


class Calibration(NamedTuple):
    """The calibration error.

    Args:
        value: root of the mean squared difference of probability and frequency, over cells.
        low: one-sided lower bound; ``high`` the upper one.
        plain: the usual expected calibration error over the same cells, biased upwards.
        n: rows.
        cells: one line a cell: mean probability, frequency, standard error of their difference.
    """

    value: float
    low: float
    high: float
    plain: float
    n: int
    cells: tuple[tuple[float, float, float], ...]


def calibration(
    chance: Floats, happened: Floats, *, alpha: float = 0.05, cells: int = CELLS
) -> Calibration:
    """The calibration error of probabilities, with one-sided bounds at 1 − ``alpha``.

    The bounds are those θ that the estimate does not reject, with the variance that it would have
    at θ: (θ̂ − θ)² = z²·(4θ·Σw²s² + 2·Σw²s⁴), a quadratic equation. So they hold near zero, where
    the variance at the estimate is far too small. An estimate below zero counts as zero in the
    upper one: frequencies that agree better than chance would let them are luck, not proof.

    Args:
        chance: (n,) probabilities of an event.
        happened: (n,) 1.0 where it happened, else 0.0.
        alpha: error rate of each bound.
        cells: how many cells; fewer when rows are few.

    Raises:
        DataError: ``statistics.too_few_rows`` with fewer than 40 rows.

    >>> found = calibration(np.full(400, 0.5), np.arange(400) % 2.0)
    >>> round(found.value, 3), found.low, round(found.high, 2)
    (0.0, 0.0, 0.1)
    """
    n = len(chance)
    used = min(cells, n // FEWEST)
    if used < 2:
        raise DataError(
            "statistics.too_few_rows",
            f"{n:,} rows are too few for a calibration",
            "Take rows from a longer time.",
        )
    order = np.argsort(chance, kind="stable")
    edges = np.linspace(0, n, used + 1).astype(np.intp)
    size = np.diff(edges).astype(np.float64)
    p = np.add.reduceat(chance[order], edges[:-1]) / size
    y = np.add.reduceat(happened[order], edges[:-1]) / size
    # The variance of the outcome under the probabilities that were given keeps cells apart in
    # which nothing happened by luck; the measured one is added where it is larger.
    said = np.add.reduceat((chance * (1 - chance))[order], edges[:-1]) / size
    variance = np.maximum(said, y * (1 - y)) / size
    weight, squares = size / n, np.square(y - p)
    theta = float(weight @ (squares - variance))
    linear = 4 * float(np.square(weight) @ variance)
    constant = 2 * float(np.square(weight) @ np.square(variance))
    z = NormalDist().inv_cdf(1 - alpha)
    low = _solved(theta, linear, constant, z)[0]
    high = _solved(max(theta, 0.0), linear, constant, z)[1]
    return Calibration(
        _root(theta), _root(low), _root(high), float(weight @ np.abs(y - p)), n,
        tuple(zip(p.tolist(), y.tolist(), np.sqrt(variance).tolist(), strict=True)),
    )  # fmt: skip


def _solved(theta: float, linear: float, constant: float, z: float) -> tuple[float, float]:
    middle = theta + z * z * linear / 2
    under = z * z * linear * linear / 4 + linear * theta + constant
    half = z * math.sqrt(max(under, 0.0))
    return middle - half, middle + half


def _root(square: float) -> float:
    return math.sqrt(max(square, 0.0))
