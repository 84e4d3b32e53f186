"""Drift that no column shows alone: two inputs go together otherwise than they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.drift import JOINT_SHARE, Drift
from holdfast.monitoring.joint import JOINT, joint_counts, pairs
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.once import once
from holdfast.monitoring.season import classes_of, expected, pair_tables
from holdfast.monitoring.spans import confirmed
from holdfast.monitoring.streams import COMMON
from holdfast.monitoring.together import (
    DAY,
    alpha_of,
    declared_together,
    floors,
    least_level,
    newest,
)
from holdfast.monitoring.usual import beyond_usual, reached
from holdfast.records import Joint, Reference, Season
from holdfast.statistics.dependence import (
    dependence_distance,
    dependence_log_e,
    dependence_null,
    rake,
)
from holdfast.statistics.eprocess import log_cusum
from holdfast.statistics.histogram import Distance
from holdfast.statistics.multinomial import Null

MINIMUM_EFFECT = 0.05
"""About what a correlation of 0.2 does to two normal quantities that had none."""
SHOWN = 10

Floats = NDArray[np.float64]


class JudgedPairs(NamedTuple):
    """Pairs worth keeping, and ``level`` as :class:`holdfast.monitoring.drift.Judged` has it."""

    pairs: tuple[Drift, ...]
    level: float | None


def joint_drift(
    reference: Reference,
    tables: Blocks,
    columns: Sequence[Drift],
    *,
    minimum: int = 200,
    pages_per_month: float = 1.0,
    minimum_effect: float = MINIMUM_EFFECT,
    budget: ArrayLike = 1.0,
) -> JudgedPairs:
    """Measures every pair of inputs against the reference, net of what each does alone.

    A pair is declared by the same two demands as a column (:mod:`holdfast.monitoring.drift`), and
    only where neither of its columns is: what a column shows alone needs no second finding.

    Args:
        reference: the held-out rows.
        tables: consecutive blocks of the tables of all pairs.
        columns: drift of the columns over the same blocks.
        minimum: fewest rows of a block without a null in either column.
        pages_per_month: false declarations that are tolerated, of which pairs may make a fifth.
        minimum_effect: smallest distance worth a word.
        budget: (N,) share of the false declarations that each block is judged at.

    Returns:
        At most ten pairs, declared ones first, then by evidence.
    """
    joint, frozen = reference.joint, _frozen(reference)
    if joint is None or frozen is None or JOINT not in tables.counts:
        return JudgedPairs((), None)
    names, known = frozen.names, frozen.known
    null: Null | None = frozen.null
    counts = tables.counts[JOINT].reshape(len(tables.starts), len(names), 3, 3)
    if reference.season is not None and reference.season.pairs and tables.hours is not None:
        known, null = _by_hour(known, reference.season, tables.hours), None
    rows = tables.counts[JOINT].reshape(*counts.shape[:2], 9).sum(axis=-1)
    enough = rows >= minimum
    fitted = rake(known, counts)
    log_e = np.where(enough, dependence_log_e(known, counts, fitted, null), 0.0)
    log_m = log_cusum(log_e.T)
    alpha = JOINT_SHARE * alpha_of(pages_per_month, tables.length)
    shares = np.broadcast_to(np.asarray(budget, dtype=np.float64), len(tables.starts))
    proven = declared_together(log_m, alpha, shares).T
    distance = dependence_distance(known, counts, fitted)
    low = distance.low()
    common, rare = _usual(joint, alpha, shares, tables.length.total_seconds() / DAY)
    floor = np.maximum(rare, minimum_effect)
    alone = Distance(*(part.T for part in distance))
    sure = (common <= minimum_effect) | confirmed(alone, rows.T, common).T
    itself = np.array([one.declared for one in columns])[frozen.places].any(axis=0).T
    declared = proven & sure & enough & (low > floor) & ~itself
    kept = _striking(declared, log_m)
    told = np.stack([distance.value, low, distance.high()])[..., kept]
    strong = np.where(enough[:, kept], told, np.nan).transpose(2, 0, 1)
    found = [
        Drift(
            column="'{}' and '{}'".format(*names[i]),
            measure="dependence",
            rows=rows[:, i],
            effect=effect,
            low=least,
            high=most,
            floor=floor[:, i],
            span=np.ones(len(tables.starts), dtype=np.int64),
            log_m=log_m[i],
            harm=np.full(len(tables.starts), np.nan),
            declared=declared[:, i],
        )
        for i, (effect, least, most) in zip(kept, strong, strict=True)
    ]
    may = np.where(sure & enough & (low > minimum_effect), low, np.nan)
    level = _level(joint, log_m, may, enough, alpha, tables.length.total_seconds() / DAY)
    return JudgedPairs(tuple(found), level)


def _usual(joint: Joint, alpha: float, shares: Floats, days: float) -> tuple[Floats, Floats]:
    """(P,) what is common, and (N, P) what is rare in any pair."""
    many = len(joint.counts) // 9
    if joint.between is None:
        return np.zeros(many), np.zeros((len(shares), many))
    common = beyond_usual(joint.between, COMMON, days)
    return common, floors(joint.between, alpha, max(many, 1), shares, days).T


def _level(
    joint: Joint,
    log_m: Floats,
    low: Floats,
    enough: NDArray[np.bool_],
    alpha: float,
    days: float,
) -> float | None:
    """The least share of the budget at which a pair is declared.

    Args:
        joint: how the inputs went together.
        log_m: (P, N).
        low: (N, P) lower bounds, NaN where nothing can be declared.
        enough: (N, P) where there are enough rows.
        alpha: that the budget grants.
        days: of a block.
    """
    if not log_m.size:
        return None
    newest_low = np.take_along_axis(low.T, newest(enough.T)[:, None], axis=1)[:, 0]
    level = len(log_m) * reached(joint.between, np.nan_to_num(newest_low), days)
    return least_level(log_m, np.where(np.isnan(newest_low), np.inf, level), enough.T, alpha)


class _Frozen(NamedTuple):
    """What follows from the reference alone.

    Args:
        names: of each pair.
        places: (2, P) which columns of the reference they are.
        known: (P, 3, 3) tables to expect.
        null: what evidence is taken against.
    """

    names: list[tuple[str, str]]
    places: NDArray[np.intp]
    known: Floats
    null: Null


@once
def _frozen(reference: Reference) -> _Frozen | None:
    joint, place = reference.joint, {one.column: i for i, one in enumerate(reference.bins)}
    if joint is None:
        return None
    names, known = pairs(joint), joint_counts(joint).astype(np.float64)
    places = np.array([[place[name] for name in pair] for pair in names]).T
    return _Frozen(names, places, known, dependence_null(known))


def _by_hour(known: Floats, season: Season, hours: NDArray[np.int64]) -> Floats:
    """(N, P, 3, 3) tables to expect, where pairs have a season."""
    rows = classes_of(season, hours)
    every = np.repeat(known[None], len(rows), axis=0)
    for place, table in pair_tables(season).items():
        every[:, place] = expected(table, rows).reshape(-1, 3, 3)
    return every


def _striking(declared: NDArray[np.bool_], log_m: Floats) -> list[int]:
    """The pairs worth keeping, the strongest first."""
    if not log_m.size:
        return []
    strength = np.stack([log_m.max(axis=1), declared.any(axis=0)])
    kept = np.sort(np.lexsort(strength)[-SHOWN:])
    return [int(i) for i in kept[np.lexsort(-strength[:, kept])]]
