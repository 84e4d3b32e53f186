"""Bounds of shares and of quantiles, and the test of two shares, without resamples."""

from __future__ import annotations

import math
from typing import NamedTuple


class Bounds(NamedTuple):
    """One-sided bounds; the truth is below ``low``, or above ``high``, in at most α of samples."""

    low: float
    high: float


def clopper_pearson(hits: int, n: int, alpha: float) -> Bounds:
    """One-sided bounds of a share, each at ``alpha`` (Clopper & Pearson 1934).

    >>> [round(bound, 4) for bound in clopper_pearson(0, 100, 0.05)]
    [0.0, 0.0295]
    """
    from scipy.special import betaincinv

    low = float(betaincinv(hits, n - hits + 1, alpha)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - alpha)) if hits < n else 1.0
    return Bounds(low, high)


def mcnemar(won: int, lost: int) -> float:
    """Chance that a wins as many of the rows that differ, or more, if both are equally good.

    McNemar's test (1947) in its exact form: given how many rows only one of two models gets right,
    which of them it is is a fair coin.

    Args:
        won: rows on which only a is right.
        lost: rows on which only b is.

    >>> mcnemar(9, 1), mcnemar(0, 0)
    (0.0107421875, 1.0)
    """
    from scipy.special import bdtrc  # scipy.stats has the same, and takes a second to import

    return float(bdtrc(won - 1, won + lost, 0.5))


def wilson(hits: int, n: int, z: float) -> Bounds:
    """Bounds of a share at ``z`` standard errors (Wilson 1927).

    >>> [round(bound, 4) for bound in wilson(10, 100, 1.96)]
    [0.0552, 0.1744]
    """
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return Bounds(max(middle - half, 0.0), min(middle + half, 1.0))


def quantile_bounds(n: int, q: float, alpha: float) -> tuple[int, int]:
    """Places (from 0) in n sorted values that bound their q-quantile, each side at ``alpha``.

    Order statistics need no distribution (David & Nagaraja 2003, ch. 7). With few values no place
    is high enough; then the last is named, and the error rate is larger than ``alpha``.

    >>> quantile_bounds(1000, 0.99, 0.05)
    (984, 995)
    """
    import numpy as np
    from scipy.special import bdtr

    below = bdtr(np.arange(n + 1), n, q)  # chance that at most k values are below the quantile
    low, high = np.searchsorted(below, (alpha, 1 - alpha))
    return max(int(low) - 1, 0), min(int(high), n - 1)
