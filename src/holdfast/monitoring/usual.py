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


def beyond_usual(usual: ArrayLike, alpha: float, columns: int) -> Floats:
    """What any of so many columns exceeds in a share ``alpha`` of blocks.

    What one column reaches on 5 % of days, one of twenty reaches on most. Days are taken as normal,
    the tail is shared out by Bonferroni; on the scale of odds, as no distance is larger than 1.

    Args:
        usual: what a column stays below on 95 % of days.
        alpha: share of blocks.
        columns: how many there are.

    >>> beyond_usual([0.05, 0.2, 0.8], 0.05, 1).round(2).tolist()
    [0.05, 0.2, 0.8]
    >>> beyond_usual([0.05, 0.2, 0.8], 1 / 30, 20).round(2).tolist()
    [0.08, 0.29, 0.87]
    """
    normal = NormalDist()
    rare = normal.inv_cdf(1 - alpha / (2 * max(columns, 1)))
    times = max(rare / normal.inv_cdf((1 + USUAL) / 2), 1.0)
    reached = np.minimum(np.asarray(usual, dtype=np.float64), 1.0)
    return np.asarray(times * reached / (1 + (times - 1) * reached))
