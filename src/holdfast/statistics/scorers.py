"""Every metric: which task it is for, how it is prepared, and how far one row can move it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from holdfast.spec import Task
from holdfast.statistics import confusion, ranking, regression
from holdfast.statistics.losses import (
    Array,
    Floats,
    Indices,
    Label,
    class_index,
    positives,
    probabilities,
    probability_matrix,
    values,
)
from holdfast.statistics.ranking import Weighted

CLASSES: tuple[Task, ...] = ("binary", "multiclass")
PINBALL = (1, 5, 10, 25, 50, 75, 90, 95, 99)
"""Quantiles, in per cent, that a regression may answer: ``neg_mean_pinball_loss_90``."""


class Rows(NamedTuple):
    """Checked rows, as the metrics read them.

    Args:
        true: (n,) class index as integers, or true value of a regression.
        score: binary and regression: (n,); multiclass: (n, k).
        predicted: (n,) answered class index; empty for a regression.
        k: number of classes; 0 for a regression.
    """

    true: Floats | Indices
    score: Floats
    predicted: Indices
    k: int


Influence = Literal["row", "class", "none"]


@dataclass(frozen=True)
class MetricKind:
    """One metric.

    Args:
        tasks: the tasks it is for.
        prepare: checked rows → function of their weights.
        influence: how far one row can move it. ``row``: by 1/n of ``span``; ``class``: by 1/(n of
            the rarest class) of ``span``; ``none``: without bound.
        span: how far apart its best and its worst value are.
        varied: whether it is undefined when all labels are the same.
    """

    tasks: tuple[Task, ...]
    prepare: Callable[[Rows], Weighted] = field(repr=False)
    influence: Influence = "none"
    span: float = 1.0
    varied: bool = False


Each = Callable[[Floats, Floats], Floats]
"""One error a row, of true and predicted values (n,)."""


def read_rows(
    task: Task, truth: Array, score: Array, *, classes: Sequence[Label], positive: Label
) -> Rows:
    """Checks labels and scores and brings them into one form.

    Raises:
        DataError: when labels are missing or unknown, or scores are not what the task needs.
    """
    if task == "regression":
        true, predicted = values(truth, score)
        return Rows(true, predicted, np.zeros(0, dtype=np.intp), 0)
    if task == "binary":
        hit = positives(truth, positive, classes).astype(np.intp)
        chance = probabilities(score, hit.size)
        return Rows(hit, chance, (chance >= 0.5).astype(np.intp), 2)
    index = class_index(truth, classes)
    wide = probability_matrix(score, index.size, len(classes))
    return Rows(index, wide, wide.argmax(axis=1).astype(np.intp), len(classes))


def _matrix(rows: Rows) -> Floats:
    return np.column_stack([1.0 - rows.score, rows.score]) if rows.score.ndim == 1 else rows.score


def _log_loss(rows: Rows) -> Weighted:
    wide = _matrix(rows)
    own = np.take_along_axis(wide, rows.true[:, None].astype(np.intp), axis=1)[:, 0]
    tiny = np.finfo(np.float64).eps
    return regression.mean_of(np.log(np.clip(own, tiny, 1 - tiny)))


def _brier(rows: Rows) -> Weighted:
    if rows.score.ndim == 1:
        return regression.mean_of(-np.square(rows.score - rows.true))
    truth = np.eye(rows.k)[rows.true.astype(np.intp)]
    return regression.mean_of(-np.square(rows.score - truth).sum(axis=1))


def _calibration(rows: Rows) -> Weighted:
    return ranking.calibration_error(rows.true.astype(np.float64), rows.score)


def _table(of: Callable[[confusion.Table], float], rows: Rows) -> Weighted:
    return confusion.counted(rows.true.astype(np.intp), rows.predicted, rows.k, of)


def _rank(of: Callable[[Floats, Floats], Weighted], rows: Rows) -> Weighted:
    return of(rows.true.astype(np.float64), rows.score)


def _classes(of: Callable[[Indices, Floats], Weighted], rows: Rows) -> Weighted:
    return of(rows.true.astype(np.intp), rows.score)


def _error(each: Each, then: Callable[[float], float], rows: Rows) -> Weighted:
    return regression.mean_of(each(rows.true.astype(np.float64), rows.score), then)


def _values(of: Callable[[Floats, Floats], Weighted], rows: Rows) -> Weighted:
    return of(rows.true.astype(np.float64), rows.score)


def _of_rows() -> dict[str, MetricKind]:
    accuracy = partial(_table, confusion.accuracy)
    return {
        "accuracy": MetricKind(CLASSES, accuracy, "row"),
        "neg_brier_score": MetricKind(CLASSES, _brier, "row"),
        "neg_log_loss": MetricKind(CLASSES, _log_loss),
        "neg_calibration_error": MetricKind(("binary",), _calibration),
    }


def _of_classes() -> dict[str, MetricKind]:
    kinds = {
        "balanced_accuracy": MetricKind(
            CLASSES, partial(_table, confusion.balanced_accuracy), "class"
        ),
        "matthews_corrcoef": MetricKind(
            CLASSES, partial(_table, confusion.matthews), "class", span=2.0
        ),
    }
    sorts: tuple[confusion.Kind, ...] = ("precision", "recall", "f1", "jaccard")
    averages: tuple[confusion.Average, ...] = ("macro", "micro", "weighted")
    for sort in sorts:
        binary = partial(_table, confusion.overlap(sort, "binary"))
        kinds[sort] = MetricKind(("binary",), binary, "class")
        for average in averages:
            influence: Influence = "class" if average == "macro" else "row"
            of = partial(_table, confusion.overlap(sort, average))
            kinds[f"{sort}_{average}"] = MetricKind(CLASSES, of, influence)
    return kinds


def _of_ranks() -> dict[str, MetricKind]:
    kinds = {
        "roc_auc": MetricKind(("binary",), partial(_rank, ranking.roc_auc), "class", varied=True),
        "average_precision": MetricKind(
            ("binary",), partial(_rank, ranking.average_precision), "class", varied=True
        ),
    }
    for name, of in (("ovr", ranking.one_versus_rest), ("ovo", ranking.one_versus_one)):
        for suffix, by_frequency in (("", False), ("_weighted", True)):
            ready = partial(_classes, partial(of, by_frequency=by_frequency))
            kinds[f"roc_auc_{name}{suffix}"] = MetricKind(
                ("multiclass",), ready, "class", varied=True
            )
    return kinds


def _of_values() -> dict[str, MetricKind]:
    def square(true: Floats, predicted: Floats) -> Floats:
        return np.square(true - predicted)

    def absolute(true: Floats, predicted: Floats) -> Floats:
        return np.abs(true - predicted)

    errors: dict[str, tuple[Each, Callable[[float], float]]] = {
        "neg_mean_absolute_error": (absolute, operator.neg),
        "neg_mean_squared_error": (square, operator.neg),
        "neg_root_mean_squared_error": (square, regression.negative_root),
        "neg_mean_absolute_percentage_error": (regression.relative, operator.neg),
        "neg_mean_squared_log_error": (regression.logarithmic, operator.neg),
        "neg_root_mean_squared_log_error": (regression.logarithmic, regression.negative_root),
        "neg_mean_poisson_deviance": (regression.poisson_deviance, operator.neg),
        "neg_mean_gamma_deviance": (regression.gamma_deviance, operator.neg),
        **{
            f"neg_mean_pinball_loss_{percent}": (regression.pinball(percent / 100), operator.neg)
            for percent in PINBALL
        },
    }
    only: tuple[Task, ...] = ("regression",)
    kinds = {
        name: MetricKind(only, partial(_error, each, then)) for name, (each, then) in errors.items()
    }
    median = partial(_values, regression.median_absolute_error)
    kinds["neg_median_absolute_error"] = MetricKind(only, median)
    for name, centred in (("r2", False), ("explained_variance", True)):
        of = partial(regression.determination, centred=centred)
        kinds[name] = MetricKind(only, partial(_values, of), varied=True)
    return kinds


METRICS: dict[str, MetricKind] = {**_of_rows(), **_of_classes(), **_of_ranks(), **_of_values()}
"""All metrics by name."""
