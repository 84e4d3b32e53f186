"""The metrics of a run, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.records import Metric
from holdfast.spec import Task
from holdfast.statistics.bootstrap import intervals

_DEFAULTS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "neg_log_loss", "neg_brier_score", "accuracy"),
    "multiclass": ("accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"),
    "regression": ("neg_mean_absolute_error", "neg_root_mean_squared_error", "r2"),
}
# Of rows of one class, say, the others still tell something.
_UNDEFINED = ("statistics.one_class", "statistics.too_few_rows")
RESAMPLES = 500


def metrics_of(task: Task, gate_metric: str) -> tuple[str, ...]:
    """What is measured of every run: the gate's metric first, then the usual ones of the task.

    >>> metrics_of("regression", "r2")
    ('r2', 'neg_mean_absolute_error', 'neg_root_mean_squared_error')
    """
    return tuple(dict.fromkeys((gate_metric, *_DEFAULTS[task])))


def evaluate(
    task: Task,
    truth: NDArray[Any],
    score: NDArray[Any],
    metrics: Sequence[str],
    seed: int,
    *,
    classes: Sequence[bool | int | str] = (),
    positive: bool | int | str = 1,
    resamples: int = RESAMPLES,
) -> tuple[Metric, ...]:
    """Computes metrics with 95 % bootstrap intervals on held-out rows.

    Args:
        task: what is predicted.
        truth: (n,) raw labels, or true values.
        score: binary: (n,) probability of ``positive``; multiclass: (n, k) in the order of
            ``classes``; regression: (n,) predicted values.
        metrics: scikit-learn's scorer names, as of :func:`metrics_of`.
        seed: same seed, same intervals.
        classes: class labels.
        positive: label of the positive class, for binary.
        resamples: how often the rows are drawn.

    Returns:
        The metrics in the order asked for. One that has no value on these rows, because they have
        one class only or are too few, is left out.

    Raises:
        SpecError: when a metric does not exist or is not for the task.
        DataError: when labels or scores are no good.
    """
    return intervals(
        metrics,
        task,
        np.asarray(truth),
        np.asarray(score),
        classes=classes,
        positive=positive,
        seed=seed,
        resamples=resamples,
        leave_out=_UNDEFINED,
    )
