"""How many rows would have decided."""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8
"""Chance that a check with that many rows would decide, if the estimate is the truth."""

_MOST = 10_000
"""Beyond this many times the rows at hand the answer is that no number of rows will do."""


def required_rows(
    n: int, distance: float, se: float, alpha: float, reach: float = 0.0
) -> int | None:
    """Rows at which a bound would clear a line, were the estimate the truth.

    Solves hypot((z₁₋α + z_power)·se·√x, reach·x) = distance for x = n / rows: the standard error
    shrinks with √rows, the part of the bound that stands for rows not drawn with rows.

    Args:
        n: rows at hand.
        distance: from the estimate to the line, on the side where the estimate already is.
        se: standard error of the estimate on ``n`` rows.
        alpha: error rate of the bound.
        reach: least half-width of the bound on ``n`` rows.

    Returns:
        Rows in all (more than ``n``), or None when it would be absurdly many.

    >>> required_rows(100, 0.01, 0.01, 0.05)
    619
    """
    if distance <= 0:
        return None
    z = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(POWER)
    spread = (z * se) ** 2
    root = math.sqrt(spread**2 + (2 * reach * distance) ** 2)
    times = (spread + root) / (2 * distance**2)
    return None if times > _MOST else max(math.ceil(n * times), n + 1)
