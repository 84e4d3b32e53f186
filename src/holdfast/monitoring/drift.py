"""Drift: whether a column has moved from the held-out rows, by how much, and how sure that is.

Two things must agree before a block of a column is declared. The *evidence*: an e-detector over
blocks has crossed its threshold among all columns together (e-BH). And the *effect*: the lower
bound of the distance exceeds :data:`MINIMUM_EFFECT` and what days reach by themselves. Real traffic
has weather and seasons, so "exactly as the held-out rows" is never true, and evidence against it
proves little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.streams import Streams, measure
from holdfast.monitoring.together import alpha_of, declared_together, least_level, weighted
from holdfast.records import Reference

MINIMUM_EFFECT = 0.05
VIEW_EFFECT = 0.1
"""Of views of texts and embeddings: what was learned from the held-out rows fits these best."""
JOINT_SHARE = 0.2  # of the false declarations, for pairs of columns
_GAP = 2  # blocks that may pass unproven within one run of drift

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Drift:
    """One column over N blocks; NaN where there are not enough rows.

    Args:
        column: which.
        measure: ``rank_wasserstein`` (numeric), ``total_variation`` (categorical), or
            ``dependence`` (two columns together), in [0, 1].
        rows: (N,) rows counted.
        effect: (N,) distance from the reference; ``low`` and ``high`` its one-sided 95 % bounds.
        floor: (N,) what ``low`` must exceed: the minimum effect, or what days reach by themselves.
        span: (N,) blocks that the effect is measured over, this one being the last: one, or more
            where that has not enough rows or shows less.
        log_m: (N,) log of the e-detector.
        harm: (N,) change of the mean loss that is expected from the change of this column alone,
            Σ_b (q_b − p_b)·L_b, with L_b the reference's mean loss in cell b, over the same blocks.
        declared: (N,) both evidence and effect.
        slice: of whose rows, such as ``origin=JFK``; "" for all.
    """

    column: str
    measure: str
    rows: NDArray[np.int64]
    effect: Floats
    low: Floats
    high: Floats
    floor: Floats
    span: NDArray[np.int64]
    log_m: Floats
    harm: Floats
    declared: Flags
    slice: str = ""

    @property
    def enough(self) -> Flags:
        """(N,) whether there were enough rows to say anything."""
        return ~np.isnan(self.effect)


class Judged(NamedTuple):
    """What was declared.

    Args:
        parts: of each part, one a column.
        level: least share of the budget at which anything would be declared, each stream taken at
            its newest block with enough rows; None when none has them.
    """

    parts: tuple[tuple[Drift, ...], ...]
    level: float | None


def drift(
    reference: Reference,
    blocks: Blocks,
    *,
    minimum: int = 200,
    pages_per_month: float = 1.0,
    minimum_effect: float = MINIMUM_EFFECT,
) -> tuple[Drift, ...]:
    """Measures every column against the reference; the prediction first.

    Args:
        reference: the held-out rows.
        blocks: consecutive blocks of one version, without slices.
        minimum: fewest rows of an effect, which may be those of seven blocks; for numbers, rows
            that are not null.
        pages_per_month: false declarations that are tolerated, over all columns.
        minimum_effect: smallest distance worth a word, in [0, 1]. 0.05 is a shift of about 0.09
            standard deviations, or one row in twenty in another category.
    """
    parts = [measure(reference, blocks)]
    judged = judge(
        parts, [float(len(reference.bins))], pages_per_month, minimum=minimum,
        minimum_effect=minimum_effect,
    )  # fmt: skip
    return judged.parts[0]


def judge(
    parts: Sequence[Streams],
    prices: Sequence[float],
    pages_per_month: float,
    *,
    budget: ArrayLike = 1.0,
    minimum: int = 200,
    minimum_effect: float = MINIMUM_EFFECT,
) -> Judged:
    """Which columns of several parts have drifted, decided together.

    Args:
        parts: all rows first, then slices of them, measured over the same blocks.
        prices: of each column of a part, see :mod:`holdfast.monitoring.together`.
        pages_per_month: as :func:`drift` has it.
        budget: (N,) share of it that each block is judged at.
        minimum: as there.
        minimum_effect: as there.
    """
    first = parts[0]
    alpha = alpha_of(pages_per_month, first.length)
    alpha *= 1.0 if first.reference.joint is None else 1.0 - JOINT_SHARE
    shares = np.broadcast_to(np.asarray(budget, dtype=np.float64), first.log_m.shape[1:])
    each = np.repeat(prices, [len(one.columns) for one in parts])
    evidence = weighted(np.concatenate([one.log_m for one in parts]), each)
    proven = declared_together(evidence, alpha, shares)
    result, days, enough, start = [], [], [], 0
    for one, price in zip(parts, prices, strict=True):
        least = _least(one, minimum_effect)
        flags = proven[start : start + len(one.columns)]
        start += len(one.columns)
        result.append(_declared(one, flags, least, minimum, alpha, price, shares))
        days.append(one.days_levels(least, minimum, price))
        enough.append((one.counted >= minimum).any(axis=0))
    level = least_level(evidence, np.concatenate(days), np.concatenate(enough), alpha)
    return Judged(tuple(result), level)


def _least(part: Streams, minimum_effect: float) -> Floats:
    """(C,) the smallest effect that counts."""
    views = [VIEW_EFFECT if bins.view else 0.0 for bins in part.columns]
    return np.asarray(np.maximum(minimum_effect, views))


def _declared(
    part: Streams,
    proven: Flags,
    least: Floats,
    minimum: int,
    alpha: float,
    price: float,
    shares: Floats,
) -> tuple[Drift, ...]:
    """One a column."""
    far = part.effects(least, minimum, alpha, price, shares)
    harm = part.harm(far)
    return tuple(
        Drift(
            column=bins.column,
            measure="rank_wasserstein" if bins.kind == "numeric" else "total_variation",
            rows=part.rows[i],
            effect=far.value[i],
            low=far.low[i],
            high=far.high[i],
            floor=far.floor[i],
            span=far.span[i],
            log_m=part.log_m[i],
            harm=harm[i],
            declared=proven[i] & far.beyond[i],
        )
        for i, bins in enumerate(part.columns)
    )


def run_start(flags: Flags, gap: int = _GAP) -> int | None:
    """Start of the run of flags that is still going on at the last block; None when none is.

    Up to ``gap`` blocks without a flag do not end a run, so that one quiet day in a week of drift
    does not make it two.

    >>> run_start(np.array([True, False, True, True])), run_start(np.array([True, False]))
    (0, None)
    """
    if not flags.size or not flags[-1]:
        return None
    places = np.flatnonzero(flags)
    breaks = np.flatnonzero(np.diff(places) > gap + 1)
    return int(places[breaks[-1] + 1] if breaks.size else places[0])
