"""Metrics of predicted values, each as a function of the rows' weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from holdfast.errors import DataError
from holdfast.statistics.losses import Floats
from holdfast.statistics.ranking import Weighted, dot


def mean_of(each: Floats, then: Callable[[float], float] = float) -> Weighted:
    """The weighted mean of one value a row, passed on to ``then``.

    >>> mean_of(np.array([1.0, 3.0]))(np.array([1.0, 1.0]))
    2.0
    """

    def evaluate(weights: Floats) -> float:
        total = weights.sum()
        return then(dot(each, weights) / total) if total > 0 else float("nan")

    return evaluate


def pinball(quantile: float) -> Callable[[Floats, Floats], Floats]:
    """The loss of a row that a quantile minimises (Koenker, Bassett 1978).

    >>> pinball(0.9)(np.array([10.0, 10.0]), np.array([9.0, 11.0])).round(2).tolist()
    [0.9, 0.1]
    """

    def each(true: Floats, predicted: Floats) -> Floats:
        under = true - predicted
        return np.asarray(np.maximum(quantile * under, (quantile - 1) * under))

    return each


def negative_root(mean: float) -> float:
    """−√mean.

    >>> negative_root(4.0)
    -2.0
    """
    return -float(np.sqrt(mean))


def median_absolute_error(true: Floats, predicted: Floats) -> Weighted:
    """−median |error|; weights are counts of how often a row was drawn.

    >>> median_absolute_error(np.zeros(3), np.array([1.0, 2.0, 9.0]))(np.ones(3))
    -2.0
    """
    error = np.abs(true - predicted)
    order = np.argsort(error, kind="stable")
    ranked = error[order]

    def evaluate(weights: Floats) -> float:
        reached = np.cumsum(weights[order])
        if reached[-1] == 0:
            return float("nan")
        lower, upper = (reached[-1] - 1) // 2, reached[-1] // 2
        places = np.searchsorted(reached, [lower, upper], side="right")
        return -float(ranked[places].mean())

    return evaluate


def determination(true: Floats, predicted: Floats, *, centred: bool) -> Weighted:
    """Share of the variance that is explained: R², or explained variance.

    Args:
        true: (n,) true values.
        predicted: (n,) predicted values.
        centred: forgives a constant error (scikit-learn's ``explained_variance``).

    >>> determination(np.array([1.0, 3.0]), np.array([1.0, 3.0]), centred=False)(np.ones(2))
    1.0
    """
    error = true - predicted

    def evaluate(weights: Floats) -> float:
        total = weights.sum()
        if total == 0:
            return float("nan")
        offset = dot(error, weights) / total if centred else 0.0
        spread = dot(weights, np.square(true - dot(true, weights) / total))
        if spread == 0:
            return float("nan")
        return float(1.0 - dot(weights, np.square(error - offset)) / spread)

    return evaluate


def logarithmic(true: Floats, predicted: Floats) -> Floats:
    """(n,) squared errors of log(1 + value).

    Raises:
        DataError: when a value is −1 or less.
    """
    if min(true.min(initial=0.0), predicted.min(initial=0.0)) <= -1:
        raise _domain("above -1")
    squares: Floats = np.square(np.log1p(true) - np.log1p(predicted))
    return squares


def relative(true: Floats, predicted: Floats) -> Floats:
    """(n,) |error| as a share of |true value|; a true value of 0 is taken as machine epsilon."""
    share: Floats = np.abs(true - predicted) / np.maximum(np.abs(true), np.finfo(np.float64).eps)
    return share


def poisson_deviance(true: Floats, predicted: Floats) -> Floats:
    """(n,) 2·(y·log(y/μ) − y + μ).

    Raises:
        DataError: when a true value is negative or a predicted one not positive.
    """
    if true.min(initial=0.0) < 0 or predicted.min(initial=1.0) <= 0:
        raise _domain("not negative, and predictions above 0")
    ratio = np.log(np.where(true > 0, true, predicted) / predicted)
    return 2.0 * (true * ratio - true + predicted)


def gamma_deviance(true: Floats, predicted: Floats) -> Floats:
    """(n,) 2·(log(μ/y) + y/μ − 1).

    Raises:
        DataError: when a value is not positive.
    """
    if min(true.min(initial=1.0), predicted.min(initial=1.0)) <= 0:
        raise _domain("above 0")
    return 2.0 * (np.log(predicted / true) + true / predicted - 1.0)


def _domain(wanted: str) -> DataError:
    return DataError(
        "statistics.domain",
        f"this metric needs values {wanted}",
        "Choose another [gate] metric, such as neg_mean_absolute_error.",
    )
