"""How far two histograms over the same cells are apart.

``reference`` is (B,) counts; ``current`` is (B,) or (N, B) counts, one row a window. Results are
scalars-in-an-array or (N,). :func:`rank_wasserstein` and :func:`total_variation` also take many
columns at once: (C, 1, B) and (C, N, B), for (C, N). Cells of an ordered quantity must be in its
order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Mean of 2∫|Brownian bridge|: what :func:`rank_wasserstein` times √n is without any difference.
_RANK_NULL_MEAN = 2 * np.sqrt(2 / np.pi) * np.pi / 8


class Distance(NamedTuple):
    """Distances, their standard errors, and what chance alone makes of them; each (N,) or ()."""

    value: Floats
    error: Floats
    chance: Floats

    def low(self, z: float = 1.645) -> Floats:
        """One-sided lower bound of the true distance, never below 0."""
        return np.asarray(np.maximum(self.value - self.chance - z * self.error, 0.0))

    def high(self, z: float = 1.645) -> Floats:
        """One-sided upper bound of the true distance, never above 1."""
        return np.asarray(np.minimum(self.value + z * self.error, 1.0))


def shares(counts: ArrayLike) -> Floats:
    """Counts as shares along the last axis; all 0 where there are no rows."""
    c = np.asarray(counts, dtype=np.float64)
    n = c.sum(axis=-1, keepdims=True)
    return np.asarray(c / np.where(n > 0, n, 1))


class Ranks(NamedTuple):
    """The shares of a reference, how much of it lies up to the end of each cell, and its rows."""

    shares: Floats
    upto: Floats
    rows: Floats


def ranks_of(reference: ArrayLike) -> Ranks:
    """What :func:`rank_wasserstein` makes of a reference, to be used again."""
    p = shares(reference)
    rows = np.maximum(np.asarray(reference, dtype=np.float64).sum(axis=-1), 1)
    return Ranks(p, np.cumsum(p, axis=-1), rows)


def rank_wasserstein(reference: ArrayLike | Ranks, current: ArrayLike) -> Distance:
    """2∫|F_cur(F_ref⁻¹(u)) − u| du, in [0, 1]; for ordered cells.

    Free of units and proof against outliers: values only count by their rank in the reference. 0 is
    no difference, 1 is everything beyond the reference's range. A normal shifted by δ standard
    deviations gives about 0.56·δ for small δ. Inside a cell both are taken as evenly spread.

    The standard error is the delta method's (the derivative of an L1 distance is the sign of the
    difference), for both samples.
    """
    p, upper, m = reference if isinstance(reference, Ranks) else ranks_of(reference)
    q = shares(current)
    above = np.cumsum(q, axis=-1)
    left, right = above - q - (upper - p), above - upper
    value = 2 * np.vecdot(_absolute_area(left, right), p)
    weight = np.sign(left + right) * p
    reach = weight.sum(axis=-1, keepdims=True) - np.cumsum(weight, axis=-1) + weight / 2
    size = np.asarray(current, dtype=np.float64).sum(axis=-1)
    size = np.maximum(size, 1)
    variance = 4 * (_variance(reach, q) / size + _variance(reach, p) / m)
    chance = _RANK_NULL_MEAN * np.sqrt(1 / size + 1 / m)
    return Distance(value, np.sqrt(variance), np.asarray(chance))


def total_variation(reference: ArrayLike, current: ArrayLike) -> Distance:
    """½Σ|q − p|, in [0, 1]: the share of rows that would have to change their cell."""
    p, q = shares(reference), shares(current)
    size = np.maximum(np.asarray(current, dtype=np.float64).sum(axis=-1), 1)
    m = np.maximum(np.asarray(reference, dtype=np.float64).sum(axis=-1), 1)
    value = np.abs(q - p).sum(axis=-1) / 2
    more = q > p
    grown, before = np.where(more, q, 0).sum(axis=-1), np.where(more, p, 0).sum(axis=-1)
    variance = grown * (1 - grown) / size + before * (1 - before) / m
    chance = np.sqrt(2 / np.pi * p * (1 - p)).sum(axis=-1) / 2 * np.sqrt(1 / size + 1 / m)
    return Distance(value, np.sqrt(np.maximum(variance, 0)), np.asarray(chance))


def psi(reference: ArrayLike, current: ArrayLike) -> Floats:
    """Population stability index Σ(q − p)·ln(q/p), less what chance alone makes of it.

    Cells are smoothed by half a row; the bias (B − 1)(1/n + 1/m) is taken off, so that the result
    is about 0 without drift, whatever the number of rows. Coarsen to 10–20 cells first.
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    cells = r.shape[-1]
    n, m = c.sum(axis=-1), r.sum()
    p = (r + 0.5) / (m + cells / 2)
    q = (c + 0.5) / (n[..., None] + cells / 2)
    value = ((q - p) * np.log(q / p)).sum(axis=-1)
    bias = (cells - 1) * (1 / np.maximum(n, 1) + 1 / max(m, 1))
    return np.asarray(np.maximum(value - bias, 0.0))


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> Floats:
    """Jensen–Shannon distance (base 2), in [0, 1]."""
    p, q = shares(reference), shares(current)
    middle = (p + q) / 2
    parts = [
        np.where(a > 0, a * np.log2(np.where(a > 0, a, 1) / np.where(middle > 0, middle, 1)), 0)
        for a in (np.broadcast_to(p, middle.shape), q)
    ]
    return np.asarray(np.sqrt(np.maximum((parts[0] + parts[1]).sum(axis=-1) / 2, 0.0)))


def coarsen(reference: ArrayLike, cells: int = 16) -> NDArray[np.intp]:
    """Groups of neighbouring ordered cells with about equal shares of the reference.

    Returns:
        (B,) the group of each cell, from 0, without gaps.

    >>> coarsen([0, 5, 5, 5, 5, 0], cells=2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    p = shares(reference)
    middle = np.cumsum(p) - p / 2
    groups = np.minimum((middle * cells).astype(np.intp), cells - 1)
    result = np.zeros(groups.size, dtype=np.intp)
    np.cumsum(groups[1:] != groups[:-1], out=result[1:])  # they only rise, some by more than one
    return result


def regroup(counts: ArrayLike, groups: NDArray[np.intp]) -> Floats:
    """Sums cells into groups along the last axis: (…, B) → (…, groups)."""
    c = np.asarray(counts, dtype=np.float64)
    member = np.zeros((groups.size, int(groups.max()) + 1 if groups.size else 0))
    member[np.arange(groups.size), groups] = 1.0
    return np.asarray(c @ member)


def _absolute_area(left: Floats, right: Floats) -> Floats:
    """∫₀¹ |left + t(right − left)| dt, also where the sign changes in between."""
    area = np.abs(left + right) / 2
    crossed = np.nonzero(left * right < 0)
    a, b = left[crossed], right[crossed]
    area[crossed] = (a**2 + b**2) / (2 * (np.abs(a) + np.abs(b)))
    return np.asarray(area)


def _variance(values: Floats, weights: Floats) -> Floats:
    away = values - np.vecdot(values, weights)[..., None]
    away *= away
    return np.asarray(np.vecdot(away, weights))
