"""Ranking metrics that sort once and are then evaluated many times under other row weights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from holdfast.statistics.losses import Floats, Indices

Weighted = Callable[[Floats], float]
"""A metric of fixed rows as a function of their weights (n,); NaN where it is undefined."""


def dot(a: Floats, b: Floats) -> float:
    """Σ a·b without BLAS, whose threads cost more than they save on vectors of this length.

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    return float(np.einsum("i,i->", a, b))


def roc_auc(hit: Floats, score: Floats) -> Weighted:
    """Area under the ROC curve: the chance that a positive row ranks above a negative one.

    The Mann–Whitney statistic, where a tie counts one half (Hanley & McNeil 1982).

    Args:
        hit: (n,) 1.0 for positive rows, else 0.0.
        score: (n,) greater means more likely positive.

    >>> roc_auc(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.1, 0.9]))(np.ones(3))
    0.75
    """
    order, starts = _tied(score)
    ranked = hit[order]
    distinct = starts.size == order.size

    def area(weights: Floats) -> float:
        sorted_weights = weights[order]
        above = sorted_weights * ranked
        below = sorted_weights - above
        if not distinct:
            above, below = np.add.reduceat(above, starts), np.add.reduceat(below, starts)
        reached = np.cumsum(below)
        pairs = above.sum() * reached[-1]
        if pairs == 0:
            return float("nan")
        return float((dot(above, reached) - 0.5 * dot(above, below)) / pairs)

    return area


def average_precision(hit: Floats, score: Floats) -> Weighted:
    """Mean precision over the thresholds, weighted by the recall each adds; ties share one.

    Args:
        hit: (n,) 1.0 for positive rows, else 0.0.
        score: (n,) greater means more likely positive.

    >>> average_precision(np.array([0.0, 1.0]), np.array([0.2, 0.9]))(np.ones(2))
    1.0
    """
    order, starts = _tied(-score)
    ranked = hit[order]

    def precision(weights: Floats) -> float:
        sorted_weights = weights[order]
        found = np.add.reduceat(sorted_weights * ranked, starts)
        shown = np.cumsum(np.add.reduceat(sorted_weights, starts))
        total = found.sum()
        if total == 0:
            return float("nan")
        share = np.divide(np.cumsum(found), shown, out=np.zeros_like(shown), where=shown > 0)
        return float(dot(found, share) / total)

    return precision


def one_versus_rest(index: Indices, score: Floats, *, by_frequency: bool) -> Weighted:
    """Mean over the classes of the AUC of that class against all others.

    A class that has no row (or every row) has no AUC and is left out of the mean, so a rare class
    that is absent from the held-out rows does not stop the gate; scikit-learn refuses there.

    Args:
        index: (n,) true class of each row.
        score: (n, k) probability of each class.
        by_frequency: weighs the classes by their share of the rows instead of equally.
    """
    hits = [(index == k).astype(np.float64) for k in range(score.shape[1])]
    areas = [roc_auc(hit, score[:, k]) for k, hit in enumerate(hits)]

    def area(weights: Floats) -> float:
        each = np.array([one(weights) for one in areas])
        share = (
            np.array([dot(hit, weights) for hit in hits]) if by_frequency else np.ones(len(hits))
        )
        return _mean(each, share)

    return area


def one_versus_one(index: Indices, score: Floats, *, by_frequency: bool) -> Weighted:
    """Mean over the pairs of classes of the AUC among the rows of that pair.

    Each pair counts as the mean of its two directions (Hand & Till 2001).

    Args:
        index: (n,) true class of each row.
        score: (n, k) probability of each class.
        by_frequency: weighs the pairs by their share of the rows instead of equally.
    """
    parts = [_pair(index, score, a, b) for a, b in combinations(range(score.shape[1]), 2)]

    def area(weights: Floats) -> float:
        each, share = [], []
        for rows, first, second in parts:
            own = weights[rows]
            each.append((first(own) + second(own)) / 2 if rows.size else float("nan"))
            share.append(own.sum() if by_frequency else 1.0)
        return _mean(np.array(each), np.array(share))

    return area


def _pair(index: Indices, score: Floats, a: int, b: int) -> tuple[Indices, Weighted, Weighted]:
    rows = np.flatnonzero((index == a) | (index == b))
    first = (index[rows] == a).astype(np.float64)
    return rows, roc_auc(first, score[rows, a]), roc_auc(1.0 - first, score[rows, b])


def _mean(each: Floats, share: Floats) -> float:
    known = ~np.isnan(each)
    total = share[known].sum()
    return float(each[known] @ share[known] / total) if total > 0 else float("nan")


def _tied(score: Floats) -> tuple[Indices, Indices]:
    """Rows in ascending order of score, and where in that order each group of ties starts."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    new = np.r_[np.ones(min(ranked.size, 1), dtype=bool), ranked[1:] != ranked[:-1]]
    return order, np.flatnonzero(new)


def calibration_error(happened: Floats, chance: Floats, cells: int = 15) -> Weighted:
    """Minus the expected calibration error Σ w·|frequency − mean probability| over equal cells.

    Biased upwards where rows are few (Kumar, Liang, Ma 2019); the gate's check of calibration is
    not, see :mod:`holdfast.statistics.calibration`.

    >>> calibration_error(np.array([0.0, 1.0]), np.array([0.5, 0.5]))(np.ones(2))
    -0.0
    """
    cell = np.minimum((chance * cells).astype(np.intp), cells - 1)

    def evaluate(weights: Floats) -> float:
        total = weights.sum()
        away = np.bincount(cell, weights=weights * (happened - chance), minlength=cells)
        return -float(np.abs(away).sum() / total) if total > 0 else float("nan")

    return evaluate
