"""Drift that no column shows alone: two inputs go together otherwise than they did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.drift import COMMON, DAY, JOINT_SHARE, Drift, alpha_of, declared_together
from holdfast.monitoring.joint import JOINT, joint_counts, pairs
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.season import classes_of, expected, pair_tables
from holdfast.monitoring.spans import confirmed
from holdfast.monitoring.usual import beyond_usual
from holdfast.records import Joint, Reference
from holdfast.statistics.dependence import dependence_distance, dependence_log_e, rake
from holdfast.statistics.eprocess import log_cusum
from holdfast.statistics.histogram import Distance

MINIMUM_EFFECT = 0.05
"""About what a correlation of 0.2 does to two normal quantities that had none."""
SHOWN = 10


def joint_drift(
    reference: Reference,
    tables: Blocks,
    columns: Sequence[Drift],
    *,
    minimum: int = 200,
    pages_per_month: float = 1.0,
    minimum_effect: float = MINIMUM_EFFECT,
) -> tuple[Drift, ...]:
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

    Returns:
        At most ten pairs, declared ones first, then by evidence.
    """
    joint = reference.joint
    if joint is None or JOINT not in tables.counts:
        return ()
    known, names = _known(reference, joint, tables), pairs(joint)
    counts = tables.counts[JOINT].reshape(len(tables.starts), len(names), 3, 3)
    rows = counts.sum(axis=(-2, -1))
    enough = rows >= minimum
    fitted = rake(known, counts)
    log_e = np.where(enough, dependence_log_e(known, counts, fitted), 0.0)
    log_m = log_cusum(log_e.T)
    alpha = JOINT_SHARE * alpha_of(pages_per_month, tables.length)
    proven = declared_together(list(log_m), alpha).T
    distance = dependence_distance(known, counts, fitted)
    days = tables.length.total_seconds() / DAY
    common, rare = (
        np.zeros(len(names)) if joint.between is None else beyond_usual(joint.between, share, days)
        for share in (COMMON, alpha / max(len(names), 1))
    )
    floor = np.maximum(rare, minimum_effect)
    low = distance.low()
    alone = Distance(*(part.T for part in distance))
    sure = (common <= minimum_effect) | confirmed(alone, rows.T, common).T
    told = _declared_alone(columns, names, len(tables.starts))
    declared = proven & sure & enough & (low > floor) & ~told
    kept, high = _striking(declared, log_m), distance.high()
    found = [
        Drift(
            column=f"'{first}' and '{second}'",
            measure="dependence",
            rows=rows[:, i],
            effect=np.where(enough[:, i], distance.value[:, i], np.nan),
            low=np.where(enough[:, i], low[:, i], np.nan),
            high=np.where(enough[:, i], high[:, i], np.nan),
            floor=np.full(len(tables.starts), floor[i]),
            span=np.ones(len(tables.starts), dtype=np.int64),
            log_m=log_m[i],
            harm=np.full(len(tables.starts), np.nan),
            declared=declared[:, i],
        )
        for i, (first, second) in enumerate(names)
        if i in kept
    ]
    return tuple(sorted(found, key=_rank, reverse=True))


def _known(reference: Reference, joint: Joint, tables: Blocks) -> NDArray[np.float64]:
    """(P, 3, 3) tables to expect; (N, P, 3, 3) where pairs have a season."""
    known = joint_counts(joint).astype(np.float64)
    season = reference.season
    if season is None or not season.pairs or tables.hours is None:
        return known
    rows = classes_of(season, tables.hours)
    every = np.repeat(known[None], len(rows), axis=0)
    for place, table in pair_tables(season).items():
        every[:, place] = expected(table, rows).reshape(-1, 3, 3)
    return every


def _striking(declared: NDArray[np.bool_], log_m: NDArray[np.float64]) -> set[int]:
    """The pairs worth keeping."""
    if not log_m.size:
        return set()
    order = np.lexsort([log_m.max(axis=1), declared.any(axis=0)])
    return set(order[-SHOWN:].tolist())


def _rank(one: Drift) -> tuple[bool, float]:
    return bool(one.declared.any()), float(one.log_m.max())


def _declared_alone(
    columns: Sequence[Drift], names: Sequence[tuple[str, str]], blocks: int
) -> NDArray[np.bool_]:
    """(N, pairs) whether one of the two columns is declared by itself."""
    flags = {one.column: one.declared for one in columns}
    none = np.zeros(blocks, dtype=np.bool_)
    return (
        np.array([flags.get(first, none) | flags.get(second, none) for first, second in names])
        .reshape(len(names), blocks)
        .T
    )
