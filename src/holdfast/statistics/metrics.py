"""Metrics by scikit-learn's scorer names; greater is always better.

Two have no name there: ``neg_calibration_error`` and ``neg_mean_pinball_loss_90`` (and other
percentages).

Every metric is prepared once for fixed rows (sorted, tabulated) and then evaluated under any
weights of these rows, which is what makes a thousand bootstrap resamples affordable. Values agree
with scikit-learn's scorers, which the tests hold against each other.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from holdfast.errors import DataError, SpecError
from holdfast.spec import Task
from holdfast.statistics.losses import Array, Label
from holdfast.statistics.ranking import Weighted
from holdfast.statistics.scorers import METRICS, read_rows

__all__ = ["METRICS", "check_metric", "metric", "metric_names", "prepare"]


def check_metric(name: str, task: Task, where: str = "[gate] metric") -> None:
    """Refuses a metric that does not exist or is not for the task.

    Args:
        name: as scikit-learn calls it, or one of Holdfast's own.
        task: what is predicted.
        where: the key that names it.

    Raises:
        SpecError: naming the nearest metric of that task.

    >>> check_metric("roc_auc", "binary")
    """
    fitting = metric_names(task)
    if name in fitting:
        return
    near = difflib.get_close_matches(name, fitting, n=1)
    fix = f"Did you mean '{near[0]}'?" if near else f"Known for {task}: {', '.join(fitting)}."
    what = f"'{name}' is not for {task}" if name in METRICS else f"there is no metric '{name}'"
    raise SpecError("spec.wrong_value", f"{where}: {what}", fix)


def metric_names(task: Task) -> tuple[str, ...]:
    """The metrics that are for a task, sorted.

    >>> "r2" in metric_names("regression"), "r2" in metric_names("binary")
    (True, False)
    """
    return tuple(sorted(name for name, kind in METRICS.items() if task in kind.tasks))


def metric(
    name: str,
    task: Task,
    truth: Array,
    score: Array,
    *,
    classes: Sequence[Label] = (),
    positive: Label = 1,
) -> float:
    """One metric of some rows; greater is better.

    Args:
        name: scikit-learn's scorer name, such as ``roc_auc`` or ``neg_log_loss``.
        task: what is predicted.
        truth: (n,) raw labels, or true values.
        score: binary: (n,) probability of ``positive`` (answered at 0.5 and above); multiclass:
            (n, k) in the order of ``classes``; regression: (n,) predicted values.
        classes: class labels; needed for multiclass.
        positive: label (not index) of the positive class, for binary.

    Raises:
        SpecError: when the metric does not exist or is not for the task.
        DataError: ``statistics.one_class`` when all labels are the same and the metric then has no
            value; else when there are no rows, or labels or scores are no good.

    >>> metric("accuracy", "binary", np.array([0, 1, 1]), np.array([0.2, 0.9, 0.4]))
    0.6666666666666666
    """
    ready = prepare(name, task, truth, score, classes=classes, positive=positive)
    return ready(np.ones(len(truth)))


def prepare(
    name: str,
    task: Task,
    truth: Array,
    score: Array,
    *,
    classes: Sequence[Label] = (),
    positive: Label = 1,
) -> Weighted:
    """The metric of these rows as a function of their weights (n,).

    Weights are counts (how often a row was drawn). Where the weighted rows have one class only the
    function answers NaN instead of raising.

    Args:
        name: as :func:`metric`, and so are the others.
        task: what is predicted.
        truth: raw labels.
        score: scores.
        classes: class labels.
        positive: positive class.

    Raises:
        SpecError: as :func:`metric`.
        DataError: as :func:`metric`.
    """
    check_metric(name, task)
    kind = METRICS[name]
    rows = read_rows(task, truth, score, classes=classes, positive=positive)
    if not len(rows.true):
        raise DataError("statistics.no_rows", f"{name} needs rows, and there are none")
    if kind.varied and bool(np.all(rows.true == rows.true[0])):
        raise DataError(
            "statistics.one_class",
            f"{name} has no value where all {len(rows.true):,} labels are the same",
            "Take rows from a longer time.",
        )
    return kind.prepare(rows)
