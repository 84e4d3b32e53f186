"""Many streams declared together: what the budget of false findings is shared out by.

A stream is a column of all rows, a column of one slice, or a pair of columns. Each has a *price*:
one over its part of the budget, so that prices' inverses add up to one at most. It is declared when
its e-detector exceeds price/(kα), for the largest k of which k streams do (e-d-BH, weighted by
1/price: Wang and Ramdas, arXiv 2009.02824; Dandapanthula and Ramdas, arXiv 2501.04130), and when
days reach so far by themselves in less than a share α/price.

The α of a block may be a *share* of the model's budget only: what the fleet leaves to it
(:mod:`holdfast.monitoring.fleet`).
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.usual import beyond_usual
from holdfast.records import Between
from holdfast.statistics.eprocess import e_bh, e_bh_levels

MOST_ALPHA = 0.05
MONTH = 30 * 86_400.0
DAY = 86_400.0

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def alpha_of(pages_per_month: float, length: timedelta) -> float:
    """The rate of false declarations of one block that keeps within a month's budget."""
    return min(pages_per_month * length.total_seconds() / MONTH, MOST_ALPHA)


def weighted(log_ms: Floats, prices: ArrayLike) -> Floats:
    """(D, N) e-detectors as a vote with equal prices would have to see them.

    Args:
        log_ms: (D, N).
        prices: (D,).
    """
    worth = np.log(len(log_ms)) - np.log(np.asarray(prices, dtype=np.float64))
    return np.asarray(log_ms + worth[:, None])


def declared_together(log_ms: Floats, alpha: float, shares: ArrayLike = 1.0) -> Flags:
    """(D, N) which e-detectors are declared in each block, together (e-d-BH).

    Args:
        log_ms: (D, N).
        alpha: of one block.
        shares: (N,) of it that each block is judged at.
    """
    return e_bh((log_ms + np.log(np.asarray(shares, dtype=np.float64))).T, alpha).T


def floors(
    between: Between | None, alpha: float, price: float, shares: Floats, span: float
) -> Floats:
    """(columns, N) what runs of so many days reach too rarely to be left to chance.

    Args:
        between: of the columns; None when nothing is known of days.
        alpha: of one block.
        price: of each column.
        shares: (N,) of ``alpha``.
        span: days.
    """
    each, place = np.unique(shares, return_inverse=True)
    return beyond_usual(between, alpha / price * each, span)[place].T


def least_level(evidence: Floats, days: Floats, enough: Flags, alpha: float) -> float | None:
    """The least share of the budget at which a stream is declared, in its newest block.

    Blocks without enough rows say nothing, so each stream is taken at the last that has them.

    Args:
        evidence: (D, N) e-detectors, :func:`weighted`.
        days: (D,) the α at which the effect of each would do, in that block; infinite where it
            never would.
        enough: (D, N) whether there are enough rows.
        alpha: that the budget grants.

    Returns:
        Infinite when nothing would be declared however large the budget; None when no stream has
        enough rows in any block, so that nothing can be declared.
    """
    known = enough.any(axis=1)
    if not known.any():
        return None
    last = newest(enough)
    proven = np.empty(len(evidence))
    for place in np.unique(last[known]).tolist():
        mine = known & (last == place)
        proven[mine] = e_bh_levels(evidence[:, place])[mine]
    return float((np.maximum(proven, days)[known] / alpha).min())


def newest(enough: Flags) -> NDArray[np.intp]:
    """(D,) the last block that has enough rows; any where none has, 0 when there are no blocks."""
    if not enough.shape[1]:
        return np.zeros(len(enough), dtype=np.intp)
    back: NDArray[np.intp] = enough[:, ::-1].argmax(axis=1)
    return np.asarray(enough.shape[1] - 1 - back)
