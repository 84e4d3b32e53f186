"""How far days lie apart by themselves: traffic has weather and seasons, no day is like the next.

What is declared must lie further from the reference than days, or runs of days, do by themselves.
That is a matter of variance components: the rows of a day share its weather, and days resemble the
days before. So the units that vary are days, not rows, and the effective number of days is smaller
than their number.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.records import Between

DAYS = 5
ROWS = 100  # of a day that counts
GAP = 3  # days on either side that resemble a day
MOST_FOLLOWING = 0.9
_UNSHOWN = 0.5  # what days resemble the next by, while too few have shown it
_LEAST_FREEDOM = 3.0
_CHANCE = 1.19 * np.pi  # E[d²] by chance over (mean d)², on the scale of :func:`shift_of`

Floats = NDArray[np.float64]


def full_days(rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """Places of the days with enough rows to say anything; none when they are too few."""
    full = np.flatnonzero(rows >= ROWS)
    return full if full.size >= DAYS else full[:0]


def days_apart(days: NDArray[np.int64], full: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(full days, days) which days each is held against: those that are not near.

    Production will be held against days long past. Where that leaves less than half of the days, a
    day is held against all others.

    Args:
        days: (D,) their numbers, in order.
        full: places of those that are measured.
    """
    others = np.abs(days[full, None] - days) > GAP
    crowded = others.sum(axis=1) < days.size / 2
    others[crowded] = days[full[crowded], None] != days
    return np.asarray(others, dtype=np.bool_)


def shift_of(distance: ArrayLike) -> Floats:
    """The shift of a normal, in standard deviations, that has this rank distance: √2·Φ⁻¹((1+d)/2).

    Distances end at 1, shifts nowhere, so that these vary alike near and far.

    >>> shift_of([0.0, 0.1, 0.9]).round(2).tolist()
    [0.0, 0.18, 2.33]
    """
    from scipy.special import ndtri  # slow to import; only where there are days to compare

    d = np.minimum(np.asarray(distance, dtype=np.float64), 1 - 1e-9)
    return np.asarray(np.sqrt(2) * ndtri((1 + d) / 2))


def distance_of(shift: ArrayLike) -> Floats:
    """The inverse of :func:`shift_of`."""
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(np.asarray(shift, dtype=np.float64) / np.sqrt(2)) - 1)


def following(tables: Iterable[tuple[Floats, Floats]], days: NDArray[np.int64]) -> float:
    """How much a day resembles the next, from 0 to 0.9, over all columns together.

    The lag-one correlation of the shares of the cells (as vectors), net of what sampling adds to
    their variance. It is too small in short series; corrected after Marriott and Pope (1954).

    Args:
        tables: of each column what is expected of full days, (1, cells) or (D, cells) counts, and
            what there was, (D, cells).
        days: (D,) their numbers.
    """
    if days.size < 2 * DAYS:
        return _UNSHOWN
    next_day = np.flatnonzero(np.diff(days) == 1)
    if next_day.size < DAYS:
        return _UNSHOWN
    same = near = 0.0
    for before, table in tables:
        rows = np.maximum(table.sum(axis=1, keepdims=True), 1)
        p = table / rows
        away = p - before / np.maximum(before.sum(axis=1, keepdims=True), 1e-12)
        away = away - away.mean(axis=0)
        sampling = float((p * (1 - p) / rows).sum(axis=1).mean())
        same += max(float((away**2).sum(axis=1).mean()) - sampling, 0.0)
        near += float((away[next_day] * away[next_day + 1]).sum(axis=1).mean())
    found = near / same if same > 0 else 0.0
    n = days.size
    return float(np.clip((n * found + 1) / (n - 4), 0.0, MOST_FOLLOWING))


def between_days(away: ArrayLike, chance: ArrayLike, follows: float) -> Between:
    """What days vary by themselves, beyond sampling, and how well that is known.

    The degrees of freedom are those of a variance estimated from days that resemble one another
    (Bayley, Hammersley 1946: n(1−ρ²)/(1+ρ²)). Where few days lie far out, as rain does, it is no
    more than those of the t distribution that has as heavy tails.

    Args:
        away: (D, …) distances of days from those they are held against.
        chance: (D, …) what chance makes of so few rows, on average.
        follows: how much a day resembles the next.
    """
    squares = shift_of(away) ** 2
    beyond = (squares - _CHANCE * np.asarray(chance, dtype=np.float64) ** 2).mean(axis=0)
    own = np.maximum(beyond, 0.0) / (1 + of_a_mean(follows, len(squares)))
    freedom = len(squares) * (1 - follows**2) / (1 + follows**2)
    tails = (squares**2).mean(axis=0) / np.maximum(squares.mean(axis=0), 1e-12) ** 2
    heavy = np.where(tails > 3, 4 + 6 / np.maximum(tails - 3, 1e-9), np.inf)
    known = np.maximum(np.minimum(heavy, freedom), _LEAST_FREEDOM)
    return Between(
        days=len(squares), following=follows, spread=tuple(np.sqrt(own).ravel().tolist()),
        freedom=tuple(known.ravel().tolist()),
    )  # fmt: skip


def of_a_mean(follows: float, days: int) -> float:
    """The variance of the mean of so many days, in that of one: (1 + 2Σ(1 − k/n)ρᵏ)/n.

    >>> of_a_mean(0.0, 4), round(of_a_mean(0.7, 7), 2)
    (0.25, 0.52)
    """
    lags = np.arange(1, days)
    return float((1 + 2 * ((1 - lags / days) * follows**lags).sum()) / days)


def beyond_usual(between: Between | None, alpha: ArrayLike, span: float = 1.0) -> Floats:
    """(columns,) the distance that runs of so many days exceed in a share ``alpha`` of them.

    Student's t, for the spread is an estimate; the reference, a mean of days too, adds its own
    error. Share ``alpha`` out among columns (Bonferroni) before.

    Args:
        between: of all columns; None when nothing is known, for no distance at all.
        alpha: share of runs; (A,) for a table of (A, columns).
        span: days that are taken together.

    >>> calm = Between(days=30, following=0.0, spread=(0.1,), freedom=(30.0,))
    >>> beyond_usual(calm, 0.05, 1).round(2).tolist(), beyond_usual(calm, 0.05, 7).round(2).tolist()
    ([0.12], [0.05])
    """
    shares = np.asarray(alpha, dtype=np.float64)[..., None]
    if between is None:
        return np.zeros((*shares.shape[:-1], 0))
    from scipy.special import stdtrit

    times = stdtrit(np.asarray(between.freedom), 1 - shares / 2)
    return distance_of(np.asarray(times) * _spread(between, span))


def reached(between: Between | None, distance: ArrayLike, span: float = 1.0) -> Floats:
    """The inverse of :func:`beyond_usual`: the share of runs of so many days that reach so far.

    Args:
        between: of all columns; None when nothing is known, for no run at all.
        distance: (..., columns).
        span: days that are taken together.

    >>> calm = Between(days=30, following=0.0, spread=(0.1,), freedom=(30.0,))
    >>> reached(calm, beyond_usual(calm, 0.05, 7), 7).round(4).tolist()
    [0.05]
    """
    if between is None:
        return np.zeros(np.shape(distance))
    from scipy.special import stdtr

    away, spread = shift_of(distance), _spread(between, span)
    times = np.divide(away, spread, out=np.where(away > 0, np.inf, 0.0), where=spread > 0)
    return np.asarray(2 * stdtr(np.asarray(between.freedom), -times))


def _spread(between: Between, span: float) -> Floats:
    """(columns,) of runs of so many days from the reference, as shifts."""
    together = max(round(span), 1)
    variance = of_a_mean(between.following, together) + of_a_mean(between.following, between.days)
    return np.asarray(np.asarray(between.spread) * np.sqrt(variance))
