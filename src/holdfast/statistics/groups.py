"""Rates of groups, and how far apart two of them are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from holdfast.errors import DataError
from holdfast.spec import FairnessMeasure, Task
from holdfast.statistics.exact import Bounds, wilson
from holdfast.statistics.losses import Array, Floats, Label, bounded_loss
from holdfast.statistics.scorers import read_rows


@dataclass(frozen=True, kw_only=True)
class Group:
    """What was measured in one group.

    Args:
        name: the value of the column.
        n: rows that count for the measure, such as those whose label is positive.
        mean: of the measure.
        se: its standard error.
        share: whether the measure is a share of rows (0 or 1 each).
    """

    name: str
    n: int
    mean: float
    se: float
    share: bool

    def bounds(self, alpha: float) -> Bounds:
        """One-sided bounds at ``alpha``: Wilson's for a share, else Student's."""
        if self.share:
            return wilson(round(self.mean * self.n), self.n, NormalDist().inv_cdf(1 - alpha))
        from scipy.special import stdtrit

        half = float(stdtrit(max(self.n - 1, 1), 1 - alpha)) * self.se
        return Bounds(self.mean - half, self.mean + half)


def gap_bounds(high: Group, low: Group, alpha: float) -> Bounds:
    """One-sided bounds of the difference of two groups' means, from the bounds of each.

    The squares of the distances to each group's bounds add up ("MOVER": Zou & Donner 2008; for
    shares this is Newcombe's tenth method, 1998).

    >>> a, b = (Group(name=x, n=400, mean=m, se=0.0, share=True) for x, m in (("a", .5), ("b", .4)))
    >>> [round(bound, 3) for bound in gap_bounds(a, b, 0.05)]
    [0.042, 0.157]
    """
    a, b = high.bounds(alpha), low.bounds(alpha)
    gap = high.mean - low.mean
    return Bounds(
        gap - math.hypot(high.mean - a.low, b.high - low.mean),
        gap + math.hypot(a.high - high.mean, low.mean - b.low),
    )


def measure_groups(
    measure: FairnessMeasure,
    task: Task,
    groups: Array,
    truth: Array,
    score: Array,
    *,
    classes: tuple[Label, ...] = (),
    positive: Label = 1,
    scale: float = 1.0,
) -> list[Group]:
    """The measure in each group, by name.

    Args:
        measure: one of the measures of ``[gate] fairness``.
        task: what is predicted.
        groups: (n,) values of the column; missing ones are a group of their own.
        truth: (n,) labels.
        score: as for :func:`holdfast.statistics.losses.bounded_loss`, and so are the others.
        classes: class labels.
        positive: the positive class.
        scale: of a regression's loss.

    Raises:
        DataError: when labels or scores are no good, or the measure is not for the task.
    """
    kind: Literal["share", "loss"] = "loss" if measure == "loss" else "share"
    if measure == "loss":
        values = bounded_loss(task, truth, score, classes=classes, positive=positive, scale=scale)
        counted = np.ones(len(values), dtype=bool)
    else:
        values, counted = _shares(measure, task, truth, score, classes, positive)
    text = ["(missing)" if one is None or one != one else str(one) for one in groups.tolist()]
    names, inverse = np.unique(np.array(text), return_inverse=True)
    n = np.bincount(inverse[counted], minlength=len(names))
    mean = np.bincount(inverse[counted], values[counted], len(names)) / np.maximum(n, 1)
    spread = np.bincount(inverse[counted], np.square(values - mean[inverse])[counted], len(names))
    se = np.sqrt(spread / np.maximum(n - 1, 1) / np.maximum(n, 1))
    return [
        Group(name=str(name), n=int(n[i]), mean=float(mean[i]), se=float(se[i]),
              share=kind == "share")
        for i, name in enumerate(names)
    ]  # fmt: skip


def _shares(
    measure: FairnessMeasure,
    task: Task,
    truth: Array,
    score: Array,
    classes: tuple[Label, ...],
    positive: Label,
) -> tuple[Floats, Array]:
    """0 or 1 a row, and the rows that count."""
    if task == "regression" or (task == "multiclass" and measure != "accuracy"):
        raise DataError("statistics.bad_measure", f"{measure} is not for {task}")
    rows = read_rows(task, truth, score, classes=classes, positive=positive)
    everyone = np.ones(len(rows.true), dtype=bool)
    if measure == "accuracy":
        return (rows.predicted == rows.true).astype(np.float64), everyone
    counted = {
        "selection_rate": everyone,
        "true_positive_rate": rows.true == 1,
        "false_positive_rate": rows.true == 0,
    }
    return (rows.predicted == 1).astype(np.float64), counted[measure]
