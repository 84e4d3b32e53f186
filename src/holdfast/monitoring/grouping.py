"""Cells taken together: what distances and evidence are taken of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.cells import ordered
from holdfast.records import Bins
from holdfast.statistics.histogram import (
    Distance,
    coarsen,
    rank_wasserstein,
    regroup,
    total_variation,
)

GROUPS = 16
FEW = 4  # groups that a small shift of a number shows best in

Floats = NDArray[np.float64]
Tables = tuple[Floats, Floats]
"""What is expected, (1, B) or (N, B), and what there is, (N, B)."""


def effect_of(bins: Bins, reference: ArrayLike, current: ArrayLike) -> Distance:
    """Distance of windows from the reference: by rank (numeric, nulls aside), or by share."""
    r, c = measured(bins, np.asarray(reference), np.asarray(current))
    return rank_wasserstein(r, c) if bins.kind == "numeric" else total_variation(r, c)


def apart(bins: Bins, before: Floats, now: NDArray[Any]) -> Distance:
    """Distances of windows in coarse groups, each from what is expected of it."""
    if bins.kind == "numeric":
        return rank_wasserstein(before[..., :-1], now[..., :-1])
    return total_variation(before, now)


def measured(bins: Bins, r: NDArray[Any], c: NDArray[Any]) -> Tables:
    """The counts that a distance is taken of."""
    if bins.kind == "numeric":
        order = ordered(bins)
        return r[..., order], c[..., order]
    # Over the thousand cells of a view chance alone makes more than any drift.
    return grouped(bins, r, c) if bins.view else (r, c)


def grouped(bins: Bins, r: NDArray[Any], c: NDArray[Any]) -> Tables:
    """The counts that evidence is taken of."""
    groups = groups_of(bins, r)
    return regroup(r, groups), regroup(c, groups)


def groups_of(bins: Bins, reference: NDArray[Any]) -> NDArray[np.intp]:
    """(cells,) about 16 coarse groups of cells, and one of the nulls."""
    groups = np.zeros(bins.cells, dtype=np.intp)
    if bins.kind == "numeric":
        order = ordered(bins)
        groups[order] = coarsen(reference[order], GROUPS)
    else:
        # Categories come by frequency: the first have a group each, rare and unseen share one; or
        # as many as there are, where a view has made of its values a thousand small cells.
        rank = np.arange(bins.cells)
        groups = np.minimum(rank, GROUPS - 1).astype(np.intp)
        if bins.view:
            groups += np.where(rank >= GROUPS, rank % GROUPS, 0)
            groups = np.unique(groups, return_inverse=True)[1]
    groups[-1] = groups[:-1].max() + 1
    return groups


def few_of(groups: int) -> NDArray[np.intp]:
    """(groups,) which of a few each group belongs to: neighbours together, the nulls alone.

    >>> few_of(7).tolist()
    [0, 0, 1, 2, 2, 3, 4]
    """
    inner = groups - 1
    few = min(FEW, inner)
    return np.append(np.arange(inner) * few // max(inner, 1), few)
