"""Sequential evidence that may be looked at as often as one likes.

Everything is in logarithms. A *log e-process* starts at 0 and exceeds ``log(1/α)`` at any time with
probability at most ``α`` under its null hypothesis. A *log e-detector* restarts itself, so that it
finds a change that comes late; it exceeds ``log(A)`` on average no sooner than after ``A`` steps
without a change (Shin, Ramdas and Rinaldo, "E-detectors", arXiv 2203.03532).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SMALLEST_MEAN = 1e-6
GAUSSIAN_BETS = (0.25, 0.5, 1.0, 2.0)


def bets(mu0: float, count: int = 8) -> Floats:
    """The grid of bets against "the mean of a loss in [0, 1] is at most ``mu0``".

    Returns:
        ``count`` values of λ between 0.05/mu0 and 0.9/mu0, so that 1 + λ(x − mu0) stays positive.

    >>> bets(0.1).round(1).tolist()
    [0.5, 0.8, 1.1, 1.7, 2.6, 3.9, 6.0, 9.0]
    """
    return np.geomspace(0.05, 0.9, count) / max(mu0, SMALLEST_MEAN)


def bounded_mean_log_e(x: ArrayLike, mu0: float, lambdas: ArrayLike | None = None) -> Floats:
    """Log e-process of H0 "E[x_t | past] ≤ mu0" for x in [0, 1]; no independence is needed.

    The average over λ of the products of 1 + λ(x_t − mu0) (Waudby-Smith and Ramdas,
    arXiv 2010.09686).

    Args:
        x: (n,) values in [0, 1], in the order they became known.
        mu0: the mean that is tolerated.
        lambdas: the bets; :func:`bets` by default.

    Returns:
        (n,) the log e-value after each value.

    Raises:
        ValueError: when a value lies outside [0, 1] or is not a number.
    """
    sums = np.cumsum(_log_factors(x, mu0, lambdas), axis=1)
    return _log_mean(sums)


def cusum(x: ArrayLike, mu0: float, lambdas: ArrayLike | None = None) -> Floats:
    """Log CUSUM e-detector of a rise of the mean of x in [0, 1] above ``mu0``.

    M_t = max(M_{t−1}, 1)·e_t for each bet, averaged. Arguments and result as
    :func:`bounded_mean_log_e`; the average run length to ``log(A)`` is at least ``A`` values.

    >>> cusum([0.0] * 5 + [1.0] * 5, mu0=0.1)[-1] > np.log(1000)
    np.True_
    """
    return _log_mean(log_cusum(_log_factors(x, mu0, lambdas)))


def shiryaev_roberts(x: ArrayLike, mu0: float, lambdas: ArrayLike | None = None) -> Floats:
    """Log Shiryaev–Roberts e-detector: M_t = (M_{t−1} + 1)·e_t for each bet, averaged.

    A little quicker than :func:`cusum` at the same floor, with more false alarms.
    """
    sums = np.cumsum(_log_factors(x, mu0, lambdas), axis=1)
    before = np.concatenate([np.zeros((len(sums), 1)), sums[:, :-1]], axis=1)
    return _log_mean(sums + np.logaddexp.accumulate(-before, axis=1))


def change_point(x: ArrayLike, mu0: float, lambdas: ArrayLike | None = None) -> int:
    """Where the rise that ends at the last value began: the index after the last minimum.

    The bet that has won most by the end says where: its running sum was lowest just before.

    >>> change_point([0.0] * 40 + [0.4] * 40, mu0=0.1)
    40
    """
    sums = np.cumsum(_log_factors(x, mu0, lambdas), axis=1)
    sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
    floors = sums[:, :-1].min(axis=1)
    winner = sums[np.argmax(sums[:, -1] - floors)]
    lowest = np.flatnonzero(winner[:-1] == winner[:-1].min())
    return int(lowest[-1])


def log_cusum(increments: ArrayLike) -> Floats:
    """S_t = max(S_{t−1}, 0) + g_t along the last axis, from log e-values g of any kind.

    >>> log_cusum([-1.0, 2.0, -1.0]).tolist()
    [-1.0, 2.0, 1.0]
    """
    steps = np.asarray(increments, dtype=np.float64)
    sums = np.cumsum(steps, axis=-1)
    before = np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums[..., :-1]], axis=-1)
    result: Floats = sums - np.minimum.accumulate(before, axis=-1)
    return result


def gaussian_cusum(z: ArrayLike, lambdas: Sequence[float] = GAUSSIAN_BETS) -> Floats:
    """Log CUSUM e-detector of a rise of block means, from their standardised values.

    Block means of a day are close to normal however much the rows of a day resemble one another,
    given that the standard deviation was measured between days. e_t = exp(λz_t − λ²/2), averaged.

    Args:
        z: (n,) (block mean − tolerated mean) / standard deviation of a block mean.
        lambdas: the bets, in standard deviations.
    """
    values = np.asarray(z, dtype=np.float64)
    grid = np.asarray(lambdas, dtype=np.float64)[:, None]
    return _log_mean(log_cusum(grid * values[None, :] - grid**2 / 2))


def paired_log_e(
    difference: ArrayLike,
    mu0: float = 0.0,
    side: Literal["greater", "less"] = "greater",
    lambdas: ArrayLike | None = None,
) -> Floats:
    """Log e-process of a paired difference d in [−1, 1].

    Args:
        difference: (n,) such as loss of the challenger minus loss of the champion, row by row.
        mu0: boundary of the null hypothesis, in (−1, 1).
        side: ``greater`` gathers evidence against E[d_t | past] ≤ mu0, ``less`` against ≥ mu0.
        lambdas: the bets, each in [0, 1/(1 + mu0)) (``less``: 1/(1 − mu0)).

    Returns:
        (n,) the log e-value after each pair.

    Raises:
        ValueError: when a value lies outside [−1, 1] or ``mu0`` outside (−1, 1).
    """
    d = np.asarray(difference, dtype=np.float64)
    if not -1 < mu0 < 1:
        raise ValueError("mu0 must lie between -1 and 1")
    if d.size and not (d.min() >= -1 and d.max() <= 1):
        raise ValueError("a paired difference must lie in [-1, 1]")
    sign = 1.0 if side == "greater" else -1.0
    grid = np.geomspace(0.02, 0.95, 10) / (1 + sign * mu0) if lambdas is None else lambdas
    factors = np.asarray(grid, dtype=np.float64)[:, None] * (sign * (d - mu0))[None, :]
    return _log_mean(np.cumsum(np.log1p(factors), axis=1))


def e_bh(log_es: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Which of D streams to declare: the largest k with M_(k) ≥ D/(kα) (e-BH).

    On e-values the false discovery rate is at most ``alpha`` under any dependence (Wang and Ramdas,
    arXiv 2009.02824); on e-detectors see Dandapanthula and Ramdas, arXiv 2501.04130.

    Args:
        log_es: (…, D) log e-values or log e-detectors; leading axes are decided separately.
        alpha: the rate that is accepted.

    >>> e_bh([9.0, 0.1, 9.0], alpha=0.05).tolist()
    [True, False, True]
    """
    values = np.asarray(log_es, dtype=np.float64)
    streams = values.shape[-1]
    if not values.size:
        return np.zeros(values.shape, dtype=np.bool_)
    ranked = np.sort(values, axis=-1)[..., ::-1]
    passing = ranked >= np.log(streams) - np.log(np.arange(1, streams + 1) * alpha)
    last = streams - 1 - passing[..., ::-1].argmax(axis=-1)
    least = np.take_along_axis(ranked, last[..., None], axis=-1)
    return np.asarray(passing.any(axis=-1, keepdims=True) & (values >= least), dtype=np.bool_)


def e_bh_levels(log_es: ArrayLike) -> Floats:
    """The least ``alpha`` at which :func:`e_bh` declares each of D streams.

    ``1/min`` of them is no more than the mean of the e-values: evidence against "nothing has
    changed in any stream", which is an e-value (an e-detector) too.

    Args:
        log_es: (…, D) as there.

    >>> e_bh_levels(np.log([100.0, 1.0, 60.0])).round(3).tolist()
    [0.025, 1.0, 0.025]
    """
    values = np.asarray(log_es, dtype=np.float64)
    streams = values.shape[-1]
    order = np.argsort(values, axis=-1)[..., ::-1]
    ranked = np.take_along_axis(values, order, axis=-1)
    alone = np.log(streams) - np.log(np.arange(1, streams + 1)) - ranked
    least = np.minimum.accumulate(alone[..., ::-1], axis=-1)[..., ::-1]
    result = np.empty_like(values)
    np.put_along_axis(result, order, least, axis=-1)
    return np.asarray(np.exp(np.minimum(result, 0.0)))


def threshold_for(pages_per_month: float, looks_per_month: float, smallest: float = 20.0) -> float:
    """Log threshold of an e-detector that keeps within a budget of false pages.

    With an average run length of at least A looks there is at most one false page in A looks, so
    A = looks a month / pages a month, and never less than ``smallest``.

    >>> round(float(np.exp(threshold_for(pages_per_month=0.5, looks_per_month=30))))
    60
    """
    return float(np.log(max(looks_per_month / pages_per_month, smallest)))


def _log_factors(x: ArrayLike, mu0: float, lambdas: ArrayLike | None) -> Floats:
    """(bets, n) log(1 + λ(x − mu0))."""
    values = np.asarray(x, dtype=np.float64)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("a bounded loss must lie in [0, 1]")
    mu0 = max(mu0, SMALLEST_MEAN)
    grid = bets(mu0) if lambdas is None else np.asarray(lambdas, dtype=np.float64)
    return np.log1p(grid[:, None] * (values - mu0)[None, :])


def mean_log_e(processes: ArrayLike) -> Floats:
    """(k, n) → (n,): the average of k e-processes on the same rows, which is an e-process again.

    It needs no correction for k: under the hypotheses of all of them it exceeds 1/α with
    probability at most α.
    """
    return _log_mean(np.asarray(processes, dtype=np.float64))


def _log_mean(logs: Floats) -> Floats:
    """(k, n) → (n,): the log of the average of k processes."""
    if not logs.shape[1]:
        return np.zeros(0)
    top = logs.max(axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(logs - top).mean(axis=0)), dtype=np.float64)
