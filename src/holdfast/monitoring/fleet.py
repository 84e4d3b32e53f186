"""The fleet: findings of all models of a control plane share one rate of false ones.

Five hundred models that each keep a budget of one false finding a month make five hundred. So a
model is judged at a share of its budget: at r/M, where M models have something to judge and r of
them, itself among them, have a finding at that very share (e-d-BH, over models). One over the least
share at which a model has a finding is an e-detector of "nothing has moved in it": no more than the
weighted mean of its streams' (:func:`holdfast.statistics.eprocess.e_bh_levels`). So of the models
with a finding no more than the mean of their budgets are false, whatever hangs together with what;
and within them, on average over models, no more of the streams (Benjamini and Bogomolov 2014). With
one model, its share is the whole.

A model needs of the others their least shares only, one number each, kept with their looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


def share_of(others: Sequence[float]) -> float:
    """The share of its budget that a model is judged at.

    Args:
        others: least share at which each other model has a finding; infinite where none has, or
            where it was looked at too long ago to lend the others anything.

    >>> inf = float("inf")
    >>> share_of([]), share_of([inf] * 9), share_of([0.001, 0.15, *[inf] * 8])
    (1.0, 0.1, 0.2727272727272727)
    """
    models = len(others) + 1
    shares = np.arange(1, models + 1) / models
    there = np.searchsorted(np.sort(np.asarray(others, dtype=np.float64)), shares, side="right")
    enough = np.flatnonzero(there + 1 >= np.arange(1, models + 1))
    return float(shares[enough[-1]])


def budget_of(
    starts: Sequence[datetime], share: float, kept: Mapping[datetime, float]
) -> NDArray[np.float64]:
    """(N,) the share that each block is judged at.

    What was judged stays judged: else a finding would begin at another time whenever another model
    moves. Only the last block takes a larger share, while the models beside it are looked at.

    Args:
        starts: of each block.
        share: that the fleet leaves now.
        kept: start → share at which a block was judged before.

    >>> budget_of([1, 2, 3], 0.5, {1: 1.0, 2: 0.1}).tolist()
    [1.0, 0.1, 0.5]
    >>> budget_of([1, 2], 0.5, {1: 0.25, 2: 0.25}).tolist()
    [0.25, 0.5]
    """
    found = np.array([kept.get(start, share) for start in starts], dtype=np.float64)
    found[-1:] = np.maximum(found[-1:], share)
    return found
