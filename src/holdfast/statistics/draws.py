"""A metric that was computed elsewhere: its values, and those of the same resamples for each model.

A metric of the project's own runs only in a process of its own, where it is asked for all draws.
What comes back gives the same bounds as a built-in metric has (``bootstrap``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from holdfast.records import Metric
from holdfast.statistics.bootstrap import Difference, bounds, resample
from holdfast.statistics.losses import Floats
from holdfast.statistics.regression import mean_of


@dataclass(frozen=True, eq=False)
class Draws:
    """One metric of several models on the same rows, and on the same draws of these rows.

    Args:
        name: of the metric; greater is better.
        n: rows.
        values: one a model.
        drawn: (resamples, models), NaN where the metric has no value.
        span: how far apart the values of two rows lie, for a mean of rows; 0 when it is not known
            how far one row can move the metric.
    """

    name: str
    n: int
    values: tuple[float, ...]
    drawn: Floats = field(repr=False)
    span: float = 0.0


def draws_of_rows(name: str, rows: Floats, *, seed: int, resamples: int) -> Draws:
    """The mean of a value of each row.

    Args:
        name: of the metric.
        rows: (models, n), all finite.
        seed: same seed, same draws.
        resamples: how often the rows are drawn.

    >>> draws_of_rows("m:f", np.array([[1.0, 2.0], [2.0, 5.0]]), seed=1, resamples=9).values
    (1.5, 3.5)
    """
    n = rows.shape[1]
    means = [mean_of(one) for one in rows]
    drawn = resample(means, n, seed=seed, resamples=resamples)
    values = tuple(mean(np.ones(n)) for mean in means)
    return Draws(name, n, values, drawn, float(rows.max() - rows.min()))


def turned(draws: Draws, name: str) -> Draws:
    """The same with its sign turned, under another name: what was lower is now greater.

    >>> turned(Draws("cost", 2, (3.0,), np.array([[3.0]])), "neg_cost").values
    (-3.0,)
    """
    values = tuple(-value for value in draws.values)
    return Draws(name, draws.n, values, -draws.drawn, draws.span)


def interval_of(draws: Draws, *, level: float = 0.95) -> Metric:
    """The first model's metric with its two-sided interval.

    Raises:
        DataError: ``statistics.too_few_rows`` when most draws have no value.
    """
    alpha = (1.0 - level) / 2.0
    low, high, _ = bounds(draws.values[0], draws.drawn[:, 0], alpha, _reach(draws, alpha))
    return Metric(
        name=draws.name, value=draws.values[0], low=low, high=high, level=level, n=draws.n
    )


def difference_of(draws: Draws, *, alpha: float = 0.05) -> Difference:
    """The first model's metric minus the second's, with one-sided bounds at 1 − ``alpha``.

    Raises:
        DataError: as :func:`interval_of`.
    """
    a, b = draws.values
    reach = _reach(draws, alpha)
    low, high, se = bounds(a - b, draws.drawn[:, 0] - draws.drawn[:, 1], alpha, reach)
    return Difference(a - b, low, high, se, reach, a, b, draws.n)


def _reach(draws: Draws, alpha: float) -> float:
    """As far as rows that were not drawn may move a mean; see ``bootstrap``."""
    return math.log(1.0 / alpha) * draws.span / draws.n
