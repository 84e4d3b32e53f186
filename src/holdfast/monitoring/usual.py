"""How far days lie apart by themselves: traffic has weather and seasons, no day is like the next.

What is declared must lie further from the reference than days of the reference from each other.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

USUAL = 0.95
"""The share of days that ``Reference.usual`` speaks of."""
DAYS = 5
ROWS = 100  # of a day that counts
GAP = 3  # days on either side that resemble a day

Floats = NDArray[np.float64]


def full_days(rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """Places of the days with enough rows to say anything; none when they are too few."""
    full = np.flatnonzero(rows >= ROWS)
    return full if full.size >= DAYS else full[:0]


def days_apart(days: NDArray[np.int64], full: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(full days, days) which days each is held against: those that are not near.

    Production will be held against days long past. Where that leaves less than half of the days, a
    day is held against all others.

    Args:
        days: (D,) their numbers, in order.
        full: places of those that are measured.
    """
    others = np.abs(days[full, None] - days) > GAP
    crowded = others.sum(axis=1) < days.size / 2
    others[crowded] = days[full[crowded], None] != days
    return np.asarray(others, dtype=np.bool_)


def usual_of(away: ArrayLike) -> Floats:
    """What 95 % of days stay below.

    Rain makes few days that lie far out, so the furthest day may speak for the rest, as the largest
    of n normal ones.

    Args:
        away: (D, …) distances of days.
    """
    distances = np.asarray(away, dtype=np.float64)
    normal = NormalDist()
    most = normal.inv_cdf((1 + USUAL) / 2) / normal.inv_cdf(1 - 1 / (2 * len(distances)))
    reached = np.maximum(np.quantile(distances, USUAL, axis=0), distances.max(axis=0) * most)
    return np.asarray(reached)


def beyond_usual(alpha: float, columns: int) -> float:
    """How many times what is usual any of so many columns reaches in a share ``alpha`` of blocks.

    What one column reaches on 5 % of days, one of twenty reaches on most. Days are taken as normal,
    the tail is shared out by Bonferroni.

    >>> round(beyond_usual(0.05, 1), 2), round(beyond_usual(1 / 30, 20), 2)
    (1.0, 1.6)
    """
    normal = NormalDist()
    usual, rare = (1 + USUAL) / 2, 1 - alpha / (2 * max(columns, 1))
    return max(normal.inv_cdf(rare) / normal.inv_cdf(usual), 1.0)
