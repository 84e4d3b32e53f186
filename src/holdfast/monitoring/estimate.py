"""Quality without labels, from the histogram of the predictions alone.

Confidence-based performance estimation: where the calibration still holds, the cell of a prediction
says how often it is right (Guo et al. and NannyML's CBPE; variance after arXiv 2407.08649). Blind
to a change of what the inputs mean (of P(y|x)); only labels show that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.cells import PREDICTION, ordered
from holdfast.records import Bins, Metric, Reference, Summary
from holdfast.spec import Task

MINIMUM = 200
MOST_OUTSIDE = 0.05
_Z = 1.96

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the quality of some predictions is estimated to be.

    Args:
        rows: predictions it is about.
        value: estimated mean bounded loss, None when nothing can be said.
        low: lower bound of its 95 % interval; ``high`` the upper.
        error: standard error of the estimate; the interval adds how much days differ by themselves.
        reason: why nothing can be said.
        metrics: further estimates: binary ``roc_auc`` and ``accuracy``, multiclass ``accuracy``.
    """

    rows: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    reason: str = ""
    metrics: tuple[Metric, ...] = field(default=())


def estimate(
    summary: Summary, reference: Reference, task: Task, minimum: int = MINIMUM
) -> Estimate:
    """Estimates the quality of the predictions of a summary; see :func:`estimate_counts`."""
    for column in summary.columns:
        if column.column == PREDICTION:
            return estimate_counts(column.counts, reference, task, minimum)
    return Estimate(rows=0, reason="the summary has no predictions")


def estimate_counts(
    counts: ArrayLike, reference: Reference, task: Task, minimum: int = MINIMUM
) -> Estimate:
    """Estimates the quality of predictions from the counts of their cells.

    Args:
        counts: (cells,) of the prediction's bins.
        reference: its calibration.
        task: what is predicted.
        minimum: fewest rows.
    """
    c = np.asarray(counts, dtype=np.float64)
    n = int(c.sum())
    if n < minimum:
        return Estimate(rows=n, reason=f"not enough data: {n} of at least {minimum} predictions")
    known, p, loss = (np.asarray(column) for column in zip(*reference.calibration, strict=True))
    q = c / n
    outside = float(q[known == 0].sum())
    if outside > MOST_OUTSIDE:
        share = f"{outside:.0%} of the predictions lie where the held-out rows had none"
        return Estimate(rows=n, reason=f"cannot say: {share}")
    value = float(q @ loss)
    spread = _loss_variance(task, p, loss)
    within = (float(q @ spread) + float(q @ (loss - value) ** 2)) / n
    calibrator = float(q**2 @ (spread / np.maximum(known, 1)))
    error = float(np.sqrt(within + calibrator))
    # Days differ more than their rows explain, and what they will turn out to be is asked for.
    reach = _Z * float(np.hypot(error, reference.loss_spread))
    return Estimate(
        rows=n,
        value=value,
        low=max(value - reach, 0.0),
        high=min(value + reach, 1.0),
        error=error,
        metrics=_metrics(task, reference.bins[0], q, p, known, n),
    )


def _loss_variance(task: Task, p: Floats, loss: Floats) -> Floats:
    """Variance of the loss inside a cell: of the Brier score at p, else its bound."""
    if task == "binary":
        return p * (1 - p) * (1 - 2 * p) ** 2
    return loss * (1 - loss)


def _metrics(
    task: Task, bins: Bins, q: Floats, p: Floats, known: Floats, n: int
) -> tuple[Metric, ...]:
    if task == "regression":
        return ()
    right = p
    if task == "binary":
        if bins.kind != "numeric":
            return ()
        right = np.where(_answered_positive(bins), p, 1 - p)
    accuracy = float(q @ right)
    variance = accuracy * (1 - accuracy) / n + float(q**2 @ (p * (1 - p) / np.maximum(known, 1)))
    metrics = [_metric("accuracy", accuracy, float(np.sqrt(max(variance, 0.0))), n)]
    if task == "binary":
        order = ordered(bins)
        area = _auc(q[order], p[order], n)
        metrics += [area] if area is not None else []
    return tuple(metrics)


def _answered_positive(bins: Bins) -> NDArray[np.bool_]:
    """Which cells hold scores of ½ or more; the nulls do not."""
    edges = np.asarray(bins.edges)
    lower = np.concatenate([[-np.inf], edges])
    half = np.nextafter(0.5, 0.0)
    return np.concatenate([lower >= half, np.asarray(bins.spikes) >= 0.5, [False]])


def _auc(q: Floats, p: Floats, n: int) -> Metric | None:
    """Expected area under the ROC curve; its variance after Hanley and McNeil (1982)."""
    positive, negative = q * p, q * (1 - p)
    hits, misses = float(positive.sum()), float(negative.sum())
    if min(hits, misses) * n < 10:
        return None
    below = np.cumsum(negative) - negative / 2
    a = float(positive @ below) / (hits * misses)
    first, second = a / (2 - a), 2 * a * a / (1 + a)
    spread = a * (1 - a) + (hits * n - 1) * (first - a * a) + (misses * n - 1) * (second - a * a)
    error = float(np.sqrt(max(spread, 0.0) / (hits * n * misses * n)))
    return _metric("roc_auc", a, error, n)


def _metric(name: str, value: float, error: float, n: int) -> Metric:
    low, high = max(value - _Z * error, 0.0), min(value + _Z * error, 1.0)
    return Metric(name=name, value=value, low=low, high=high, n=n)
