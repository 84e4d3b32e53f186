"""Intervals of a metric, and of the difference of two models on the same rows.

Rows are drawn with replacement (Efron & Tibshirani 1993, ch. 13); a draw is a vector of counts, so
that prepared metrics are evaluated under weights and nothing is copied or sorted again. A bound at
1 − α is value ∓ hypot(se·(z + |g|·(2z² + 1)/6), ln(1/α)·span/n):

- se is the standard deviation of the resamples. Their percentiles are not used: they say little
  with few resamples, and lean the wrong way where the difference is skewed;
- g is their skewness, counted where it makes the bound wider: Hall's correction of Student's t
  (Hall 1992, "On the removal of skewness by transformation"). Without it a candidate that loses
  a few rows and gains none passes twice as often as α allows;
- the last term is what α leaves possible of rows that differ and were not drawn at all (the "rule
  of three", Hanley & Lippman-Hand 1983). Without it two models that happen to agree on 40 rows
  would be proven equal. Only for metrics that one row can move by no more than span/n. With both
  terms the bound on a count of k lost rows is within 7 % of the exact Poisson bound at α = 0.05.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from holdfast.errors import DataError
from holdfast.records import Metric
from holdfast.spec import Task
from holdfast.statistics.exact import mcnemar
from holdfast.statistics.losses import Array, Floats, Label
from holdfast.statistics.metrics import METRICS, prepare
from holdfast.statistics.ranking import Weighted
from holdfast.statistics.scorers import read_rows

_FEWEST = 0.5

EXACT = frozenset({"accuracy"})
"""Metrics for which an exact test says whether one model is better."""


class Difference(NamedTuple):
    """How much greater the metric of one model is than that of another, on the same rows.

    Args:
        value: metric of a minus metric of b.
        low: one-sided lower bound: the true difference is below it in at most α of all samples.
        high: one-sided upper bound; likewise.
        se: standard error of ``value``.
        reach: least half-width of the bounds, for what rows that were not drawn may hold.
        a: metric of a.
        b: metric of b.
        n: rows.
        exact: p-value of the exact test that a is no better than b, where the metric has one.
    """

    value: float
    low: float
    high: float
    se: float
    reach: float
    a: float
    b: float
    n: int
    exact: float | None = None


def interval(
    name: str,
    task: Task,
    truth: Array,
    score: Array,
    *,
    classes: Sequence[Label] = (),
    positive: Label = 1,
    seed: int,
    resamples: int = 500,
    level: float = 0.95,
) -> Metric:
    """A metric with its two-sided interval.

    Args:
        name: scikit-learn's scorer name.
        task: what is predicted.
        truth: (n,) raw labels, or true values.
        score: as for :func:`holdfast.statistics.metrics.metric`.
        classes: class labels; needed for multiclass.
        positive: label of the positive class, for binary.
        seed: same seed, same interval.
        resamples: how often the rows are drawn.
        level: share of samples whose interval holds the true value.

    Raises:
        SpecError: when the metric does not exist or is not for the task.
        DataError: as :func:`holdfast.statistics.metrics.metric`; ``statistics.too_few_rows`` when
            most resamples have no value.

    >>> rows = np.arange(100)
    >>> interval("accuracy", "binary", rows % 2, np.where(rows < 80, rows % 2, 0.6), seed=1).value
    0.9
    """
    return intervals(
        (name,), task, truth, score, classes=classes, positive=positive, seed=seed,
        resamples=resamples, level=level,
    )[0]  # fmt: skip


def intervals(
    names: Sequence[str],
    task: Task,
    truth: Array,
    score: Array,
    *,
    classes: Sequence[Label] = (),
    positive: Label = 1,
    seed: int,
    resamples: int = 500,
    level: float = 0.95,
    leave_out: Collection[str] = (),
) -> tuple[Metric, ...]:
    """Several metrics of the same rows, each as :func:`interval` gives it, from the same draws.

    Args:
        names: scikit-learn's scorer names.
        task: what is predicted.
        truth: as for :func:`interval`.
        score: likewise.
        classes: likewise.
        positive: likewise.
        seed: likewise.
        resamples: likewise.
        level: likewise.
        leave_out: codes of errors on which a metric is left out instead.

    Raises:
        SpecError: as :func:`interval`.
        DataError: as :func:`interval`, unless its code is one of ``leave_out``.
    """
    ready: dict[str, Weighted] = {}
    for name in names:
        with _leaving_out(leave_out):
            ready[name] = prepare(name, task, truth, score, classes=classes, positive=positive)
    n, alpha = len(truth), (1.0 - level) / 2.0
    drawn = resample(tuple(ready.values()), n, seed=seed, resamples=resamples)
    measured = []
    for place, (name, one) in enumerate(ready.items()):
        with _leaving_out(leave_out):
            value = one(np.ones(n))
            reach = _reach(name, task, truth, score, classes, positive, alpha)
            low, high, _ = bounds(value, drawn[:, place], alpha, reach)
            high = min(high, 0.0 if name.startswith("neg_") else 1.0)
            measured.append(Metric(name=name, value=value, low=low, high=high, level=level, n=n))
    return tuple(measured)


@contextlib.contextmanager
def _leaving_out(codes: Collection[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        if error.code not in codes:
            raise


def paired_difference(
    name: str,
    task: Task,
    truth: Array,
    score_a: Array,
    score_b: Array,
    *,
    classes: Sequence[Label] = (),
    positive: Label = 1,
    alpha: float = 0.05,
    seed: int,
    resamples: int = 500,
) -> Difference:
    """Metric of a minus metric of b on the same rows, with one-sided bounds at 1 − ``alpha``.

    Both models are evaluated on the same draws, so what makes a row hard for both cancels out.

    Args:
        name: scikit-learn's scorer name.
        task: what is predicted.
        truth: (n,) raw labels, or true values.
        score_a: scores of a, row by row.
        score_b: scores of b on the same rows.
        classes: class labels; needed for multiclass.
        positive: label of the positive class, for binary.
        alpha: error rate of each of the two bounds.
        seed: same seed, same bounds.
        resamples: how often the rows are drawn.

    Raises:
        SpecError: as :func:`interval`.
        DataError: as :func:`interval`.

    >>> truth = np.arange(400) % 2
    >>> same = paired_difference("accuracy", "binary", truth, truth, truth, seed=1)
    >>> same.value, round(same.low, 4), round(same.high, 4)
    (0.0, -0.0075, 0.0075)
    """
    pair = tuple(
        prepare(name, task, truth, score, classes=classes, positive=positive)
        for score in (score_a, score_b)
    )
    n = len(truth)
    a, b = (ready(np.ones(n)) for ready in pair)
    drawn = resample(pair, n, seed=seed, resamples=resamples)
    reach = _reach(name, task, truth, score_a, classes, positive, alpha)
    low, high, se = bounds(a - b, drawn[:, 0] - drawn[:, 1], alpha, reach)
    exact = None
    if name in EXACT:
        exact = _discordant(task, truth, score_a, score_b, classes, positive)
    return Difference(a - b, low, high, se, reach, a, b, n, exact)


def _discordant(
    task: Task,
    truth: Array,
    score_a: Array,
    score_b: Array,
    classes: Sequence[Label],
    positive: Label,
) -> float:
    """McNemar's test of whether a is right more often than b."""
    rows = [
        read_rows(task, truth, score, classes=classes, positive=positive)
        for score in (score_a, score_b)
    ]
    right, other = (one.predicted == one.true for one in rows)
    return mcnemar(int(np.count_nonzero(right & ~other)), int(np.count_nonzero(other & ~right)))


def resample(metrics: Sequence[Weighted], n: int, *, seed: int, resamples: int) -> Floats:
    """The metrics of ``resamples`` draws of ``n`` rows: (resamples, metrics), NaN where undefined.

    Args:
        metrics: prepared metrics of the same rows.
        n: rows.
        seed: same seed, same draws.
        resamples: how many draws.
    """
    random = np.random.default_rng(seed)
    result = np.empty((resamples, len(metrics)))
    for number in range(resamples):
        counts = np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)
        result[number] = [one(counts) for one in metrics]
    return result


def bounds(value: float, drawn: Floats, alpha: float, reach: float) -> tuple[float, float, float]:
    """Lower and upper bound, each at ``alpha``, and the standard error; see the module.

    Args:
        value: of all rows.
        drawn: (resamples,) of the draws, NaN where there is no value.
        alpha: error rate of each bound.
        reach: least half-width of the bounds.

    Raises:
        DataError: ``statistics.too_few_rows`` when most draws have no value.
    """
    known = drawn[np.isfinite(drawn)]
    if known.size < max(2, _FEWEST * drawn.size):
        raise DataError(
            "statistics.too_few_rows",
            "most resamples of the rows have no value, as where they hold one class only",
            "Take rows from a longer time.",
        )
    se = float(known.std(ddof=1))
    z = NormalDist().inv_cdf(1.0 - alpha)
    skew = float(np.mean(((known - known.mean()) / se) ** 3)) if se > 0 else 0.0
    correction = (2.0 * z * z + 1.0) / 6.0
    below = math.hypot(se * (z + max(-skew, 0.0) * correction), reach)
    above = math.hypot(se * (z + max(skew, 0.0) * correction), reach)
    return value - below, value + above, se


def _reach(
    name: str,
    task: Task,
    truth: Array,
    score: Array,
    classes: Sequence[Label],
    positive: Label,
    alpha: float,
) -> float:
    """ln(1/α)·span/n with n the rows that carry the metric; 0 where one row's pull is unbounded."""
    kind = METRICS[name]
    if kind.influence == "none":
        return 0.0
    carrying: float = len(truth)
    if kind.influence == "class":
        rows = read_rows(task, truth, score, classes=classes, positive=positive)
        counts: np.ndarray[Any, Any] = np.bincount(rows.true.astype(np.intp), minlength=rows.k)
        present = counts[counts > 0]
        # A binary ranking hangs on its rarer class; a mean over k classes gives each 1/k.
        carrying = float(present.min()) * (present.size if task == "multiclass" else 1)
    return math.log(1.0 / alpha) * kind.span / carrying
