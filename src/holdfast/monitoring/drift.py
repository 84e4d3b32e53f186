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
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.against import Held, distances, held_against, log_es
from holdfast.monitoring.grouping import measured
from holdfast.monitoring.merge import Blocks, counts_of
from holdfast.monitoring.spans import SPANS, Measured, confirmed, strongest, trailing
from holdfast.monitoring.usual import beyond_usual
from holdfast.records import Bins, Reference
from holdfast.statistics.eprocess import e_bh, log_cusum
from holdfast.statistics.histogram import shares

MINIMUM_EFFECT = 0.05
VIEW_EFFECT = 0.1
"""Of views of texts and embeddings: what was learned from the held-out rows fits these best."""
MOST_ALPHA = 0.05
MONTH = 30 * 86_400.0
DAY = 86_400.0
COMMON = 0.05  # share of blocks that are beyond what is common
JOINT_SHARE = 0.2  # of the false declarations, for pairs of columns
_GAP = 2  # blocks that may pass unproven within one run of drift

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Column = tuple[Bins, Floats, NDArray[np.int64]]


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

    @property
    def enough(self) -> Flags:
        """(N,) whether there were enough rows to say anything."""
        return ~np.isnan(self.effect)


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
    known = counts_of(reference.summaries[0])
    columns = [
        (bins, np.asarray(known[bins.column], dtype=np.float64), blocks.counts[bins.column])
        for bins in reference.bins
    ]
    held = [held_against(reference, blocks, *column) for column in columns]
    log_ms = [log_cusum(log_e) for log_e in log_es([bins.kind for bins, *_ in columns], held)]
    share = 1.0 if reference.joint is None else 1.0 - JOINT_SHARE
    alpha = share * alpha_of(pages_per_month, blocks.length)
    proven = declared_together(log_ms, alpha)
    least = [max(minimum_effect, VIEW_EFFECT if bins.view else 0.0) for bins, *_ in columns]
    usual = _usual(reference, alpha, blocks.length)
    far = _effects(columns, held, np.asarray(least), usual, minimum)
    declared = proven & far.beyond
    return tuple(
        Drift(
            column=bins.column,
            measure="rank_wasserstein" if bins.kind == "numeric" else "total_variation",
            rows=counts.sum(axis=1),
            effect=far.value[i],
            low=far.low[i],
            high=far.high[i],
            floor=far.floor[i],
            span=far.span[i],
            log_m=log_ms[i],
            harm=_harm(reference, columns[i], far.span[i], far.value[i]),
            declared=declared[i],
        )
        for i, (bins, _, counts) in enumerate(columns)
    )


def _usual(reference: Reference, alpha: float, length: timedelta) -> Floats:
    """(1 + spans, columns) what 95 % of blocks stay below, then what is rare in any column."""
    columns, days = len(reference.bins), length.total_seconds() / DAY
    asked = [(COMMON, 1), *((alpha / columns, span) for span in SPANS)]
    reached = [beyond_usual(reference.between, each, span * days) for each, span in asked]
    return np.stack([one if one.size else np.zeros(columns) for one in reached])


def _effects(
    columns: Sequence[Column], held: Sequence[Held], least: Floats, usual: Floats, minimum: int
) -> Measured:
    """How far each column is away, over the span that says most.

    A column whose days vary must show it more than once. Coarse groups, of longer spans and of
    columns with a season, are much less to compute, and hardly differ.
    """
    kinds = [bins.kind for bins, *_ in columns]
    found, present = [], []
    for span in SPANS:
        tables = [
            measured(*column) if span == 1 and one.table is None else one.values(column[0], span)
            for column, one in zip(columns, held, strict=True)
        ]
        found.append(distances(kinds, tables))
        present.append([now.sum(axis=-1) for _, now in tables])
    rows = np.asarray(present)
    common, rare = usual[0], np.maximum(usual[1:], least)
    sure = (common <= least)[:, None] | confirmed(found[0], rows[0], common)
    return strongest(found, rows >= minimum, rare, sure)


def _harm(reference: Reference, column: Column, span: NDArray[np.int64], effect: Floats) -> Floats:
    """(N,) change of the mean loss over the span that the effect is of."""
    bins, before, counts = column
    losses = np.asarray(reference.bin_loss.get(bins.column, np.zeros(bins.cells)))
    lost, rows = counts @ losses, counts.sum(axis=1)
    harm = np.full(len(counts), np.nan)
    for one in np.unique(span).tolist():
        n = np.maximum(trailing(rows, one, axis=0), 1)
        mean = trailing(lost, one, axis=0) / n
        harm = np.where(span == one, mean - shares(before) @ losses, harm)
    return np.where(np.isnan(effect), np.nan, harm)


def alpha_of(pages_per_month: float, length: timedelta) -> float:
    """The rate of false declarations of one block that keeps within a month's budget."""
    return min(pages_per_month * length.total_seconds() / MONTH, MOST_ALPHA)


def declared_together(log_ms: Sequence[Floats], alpha: float) -> Flags:
    """(streams, N) which e-detectors are declared in each block, together (e-d-BH)."""
    return e_bh(np.asarray(log_ms).T, alpha).T


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
