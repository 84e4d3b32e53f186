"""Metrics of hard answers, all from one weighted table of true against predicted class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from holdfast.statistics.losses import Floats, Indices
from holdfast.statistics.ranking import Weighted

Table = Floats
"""(k, k) weight of the rows by true class (first axis) and predicted class (second)."""

Average = Literal["binary", "macro", "micro", "weighted"]
Kind = Literal["precision", "recall", "f1", "jaccard"]


def counted(
    index: Indices, predicted: Indices, classes: int, of: Callable[[Table], float]
) -> Weighted:
    """Turns a function of the table into a metric of the rows' weights.

    Args:
        index: (n,) true class of each row.
        predicted: (n,) answered class of each row.
        classes: how many classes there are.
        of: the metric as a function of the table.
    """
    cell = index * classes + predicted

    def evaluate(weights: Floats) -> float:
        flat: Floats = np.bincount(cell, weights, classes * classes).astype(np.float64)
        return of(flat.reshape(classes, classes))

    return evaluate


def accuracy(table: Table) -> float:
    """Share of the rows answered right.

    >>> accuracy(np.array([[3.0, 1.0], [0.0, 4.0]]))
    0.875
    """
    return _ratio(float(np.trace(table)), float(table.sum()), undefined=float("nan"))


def balanced_accuracy(table: Table) -> float:
    """Mean recall over the classes that have rows.

    >>> balanced_accuracy(np.array([[3.0, 1.0], [0.0, 4.0]]))
    0.875
    """
    support = table.sum(axis=1)
    known = support > 0
    if not known.any():
        return float("nan")
    return float(np.mean(np.diag(table)[known] / support[known]))


def matthews(table: Table) -> float:
    """Matthews' correlation of true and predicted class, for k classes (Gorodkin 2004).

    0 when either is constant, as scikit-learn has it.

    >>> round(matthews(np.array([[3.0, 1.0], [0.0, 4.0]])), 4)
    0.7746
    """
    true, predicted, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    covariance = np.trace(table) * total - true @ predicted
    spread = (total**2 - true @ true) * (total**2 - predicted @ predicted)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def overlap(kind: Kind, average: Average) -> Callable[[Table], float]:
    """Precision, recall, F1 or Jaccard from true positives and the two ways to be wrong.

    Where there is nothing to divide by the value is 0. ``macro`` and ``weighted`` run over the
    classes that occur among the true or the answered ones, as in scikit-learn; ``binary`` is that
    of class 1.

    >>> overlap("precision", "binary")(np.array([[3.0, 1.0], [0.0, 4.0]]))
    0.8
    """

    def value(table: Table) -> float:
        right, true, predicted = np.diag(table), table.sum(axis=1), table.sum(axis=0)
        if average == "binary":
            right, true, predicted = right[1:2], true[1:2], predicted[1:2]
        if average == "micro":
            right, true, predicted = (part.sum(keepdims=True) for part in (right, true, predicted))
        over = {
            "precision": predicted,
            "recall": true,
            "f1": (true + predicted) / 2,
            "jaccard": true + predicted - right,
        }[kind]
        each = np.divide(right, over, out=np.zeros_like(over), where=over > 0)
        if average == "weighted":
            return _ratio(float(each @ true), float(true.sum()), undefined=0.0)
        occurs = true + predicted > 0
        return float(each[occurs].mean()) if occurs.any() else 0.0

    return value


def _ratio(part: float, whole: float, undefined: float) -> float:
    return part / whole if whole > 0 else undefined
