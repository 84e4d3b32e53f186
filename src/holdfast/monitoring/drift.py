"""Drift: whether a column has moved from the held-out rows, by how much, and how sure that is.

Two things must agree before a block of a column is declared. The *evidence*: an e-detector over
blocks has crossed its threshold among all columns together (e-BH). And the *effect*: the lower
bound of the distance exceeds :data:`MINIMUM_EFFECT` and what days reach by themselves. Real traffic
has weather and seasons, so "exactly as the held-out rows" is never true, and evidence against it
proves little.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.cells import ordered
from holdfast.monitoring.merge import Blocks, counts_of
from holdfast.monitoring.spans import SPANS, Measured, confirmed, strongest, trailing
from holdfast.monitoring.usual import beyond_usual
from holdfast.records import Bins, Reference
from holdfast.statistics.eprocess import e_bh, log_cusum, multinomial_log_e
from holdfast.statistics.histogram import (
    Distance,
    coarsen,
    rank_wasserstein,
    regroup,
    shares,
    total_variation,
)

MINIMUM_EFFECT = 0.05
VIEW_EFFECT = 0.1
"""Of views of texts and embeddings: what was learned from the held-out rows fits these best."""
GROUPS = 16
FEW = 4  # groups that a small shift of a number shows best in
MOST_ALPHA = 0.05
MONTH = 30 * 86_400.0
DAY = 86_400.0
COMMON = 0.05  # share of blocks that are beyond what is common
JOINT_SHARE = 0.2  # of the false declarations, for pairs of columns
_GAP = 2  # blocks that may pass unproven within one run of drift

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Column = tuple[Bins, Floats, NDArray[np.int64]]
Tables = tuple[Floats, Floats]


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
    coarse = [_grouped(*column) for column in columns]
    log_ms = [log_cusum(log_e) for log_e in _log_es(columns, coarse)]
    share = 1.0 if reference.joint is None else 1.0 - JOINT_SHARE
    alpha = share * alpha_of(pages_per_month, blocks.length)
    proven = declared_together(log_ms, alpha)
    least = [max(minimum_effect, VIEW_EFFECT if bins.view else 0.0) for bins, *_ in columns]
    usual = _usual(reference, alpha, blocks.length)
    far = _effects(columns, coarse, np.asarray(least), usual, minimum)
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


def _log_es(columns: Sequence[Column], coarse: Sequence[Tables]) -> list[Floats]:
    """(N,) log e-values of each column, those of equally many groups at once.

    Of numbers the mean of two, one over few groups: what is shared out over fewer directions is
    sooner sure of a small shift.
    """
    fine = _by_size(coarse)
    numbers = [i for i, (bins, *_) in enumerate(columns) if bins.kind == "numeric"]
    few = _by_size([_fewer(coarse[i]) for i in numbers])
    for i, log_e in zip(numbers, few, strict=True):
        fine[i] = np.logaddexp(fine[i], log_e) - np.log(2)
    return fine


def _by_size(tables: Sequence[Tables]) -> list[Floats]:
    result: list[Floats] = [np.zeros(0)] * len(tables)
    for places in _alike([before.size for before, _ in tables]):
        before, now = _stacked([tables[i] for i in places])
        found = multinomial_log_e(now, before, int(before[0].sum()))
        for i, log_e in zip(places, found, strict=True):
            result[i] = log_e
    return result


def _fewer(tables: Tables) -> Tables:
    """Neighbouring groups taken together; the nulls stay alone."""
    before, now = tables
    inner = before.size - 1
    groups = np.append(np.arange(inner) * min(FEW, inner) // max(inner, 1), min(FEW, inner))
    return regroup(before, groups), regroup(now, groups)


def _usual(reference: Reference, alpha: float, length: timedelta) -> Floats:
    """(1 + spans, columns) what 95 % of blocks stay below, then what is rare in any column."""
    columns, days = len(reference.bins), length.total_seconds() / DAY
    asked = [(COMMON, 1), *((alpha / columns, span) for span in SPANS)]
    reached = [beyond_usual(reference.between, each, span * days) for each, span in asked]
    return np.stack([one if one.size else np.zeros(columns) for one in reached])


def _effects(
    columns: Sequence[Column], coarse: Sequence[Tables], least: Floats, usual: Floats, minimum: int
) -> Measured:
    """How far each column is away, over the span that says most.

    A column whose days vary must show it more than once.

    Of longer spans coarse groups are compared, which is much less to compute, and hardly differs.
    """
    kinds = [bins.kind for bins, *_ in columns]
    found, present = [], []
    for span in SPANS:
        tables = [_measured(*column) for column in columns] if span == 1 else [
            _of_values(kind, before, trailing(now, span))
            for kind, (before, now) in zip(kinds, coarse, strict=True)
        ]  # fmt: skip
        found.append(_distances(kinds, tables))
        present.append([now.sum(axis=-1) for _, now in tables])
    rows = np.asarray(present)
    common, rare = usual[0], np.maximum(usual[1:], least)
    sure = (common <= least)[:, None] | confirmed(found[0], rows[0], common)
    return strongest(found, rows >= minimum, rare, sure)


def _of_values(kind: str, before: Floats, now: Floats) -> Tables:
    """Numbers are compared without their nulls, whose group is the last."""
    return (before[:-1], now[..., :-1]) if kind == "numeric" else (before, now)


def _distances(kinds: Sequence[str], tables: Sequence[Tables]) -> Distance:
    """(C, N) distances, those of columns of equally many cells computed at once."""
    result = Distance(*np.zeros((3, len(tables), len(tables[0][1]) if tables else 0)))
    sizes = [before.size for before, _ in tables]
    for places in _alike(list(zip(kinds, sizes, strict=True))):
        before, now = _stacked([tables[i] for i in places])
        numeric = kinds[places[0]] == "numeric"
        found = (rank_wasserstein if numeric else total_variation)(before, now)
        for whole, part in zip(result, found, strict=True):
            whole[places] = part
    return result


def _harm(reference: Reference, column: Column, span: NDArray[np.int64], effect: Floats) -> Floats:
    """(N,) change of the mean loss over the span that the effect is of."""
    bins, before, counts = column
    losses = np.asarray(reference.bin_loss.get(bins.column, np.zeros(bins.cells)))
    lost, rows = counts @ losses, counts.sum(axis=1)
    harm = np.full(len(counts), np.nan)
    for one in SPANS:
        n = np.maximum(trailing(rows, one, axis=0), 1)
        mean = trailing(lost, one, axis=0) / n
        harm = np.where(span == one, mean - shares(before) @ losses, harm)
    return np.where(np.isnan(effect), np.nan, harm)


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Places of equal keys."""
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return list(found.values())


def _stacked(tables: Sequence[Tables]) -> Tables:
    """(C, 1, B) and (C, N, B)."""
    before, now = zip(*tables, strict=True)
    return np.stack(before)[:, None, :], np.stack(now)


def alpha_of(pages_per_month: float, length: timedelta) -> float:
    """The rate of false declarations of one block that keeps within a month's budget."""
    return min(pages_per_month * length.total_seconds() / MONTH, MOST_ALPHA)


def declared_together(log_ms: Sequence[Floats], alpha: float) -> Flags:
    """(streams, N) which e-detectors are declared in each block, together (e-d-BH)."""
    evidence = np.asarray(log_ms)
    proven = [e_bh(block, alpha) for block in evidence.T]
    return np.asarray(proven, dtype=np.bool_).reshape(evidence.T.shape).T


def effect_of(bins: Bins, reference: ArrayLike, current: ArrayLike) -> Distance:
    """Distance of windows from the reference: by rank (numeric, nulls aside), or by share."""
    r, c = _measured(bins, np.asarray(reference), np.asarray(current))
    return rank_wasserstein(r, c) if bins.kind == "numeric" else total_variation(r, c)


def log_e_of(bins: Bins, reference: ArrayLike, current: ArrayLike) -> Floats:
    """Log e-value of windows against the reference, on about 16 coarse cells and the nulls."""
    r, c = _grouped(bins, np.asarray(reference, dtype=np.float64), np.asarray(current))
    return multinomial_log_e(c, r, int(r.sum()))


def _measured(bins: Bins, r: NDArray[Any], c: NDArray[Any]) -> Tables:
    """The counts that a distance is taken of."""
    if bins.kind == "numeric":
        order = ordered(bins)
        return r[order], c[..., order]
    # Over the thousand cells of a view chance alone makes more than any drift.
    return _grouped(bins, r, c) if bins.view else (r, c)


def _grouped(bins: Bins, r: NDArray[Any], c: NDArray[Any]) -> Tables:
    """The counts that evidence is taken of."""
    groups = groups_of(bins, r)
    return regroup(r, groups), regroup(c, groups)


def groups_of(bins: Bins, reference: Floats) -> NDArray[np.intp]:
    """(cells,) about 16 coarse groups of cells, and one of the nulls."""
    groups = np.zeros(bins.cells, dtype=np.intp)
    if bins.kind == "numeric":
        order = ordered(bins)
        groups[order] = coarsen(reference[order], GROUPS)
    else:
        # Categories come by frequency: the first have a group each, rare and unseen share one; or
        # as many as there are, where a view has made of its values a thousand small cells.
        rank = np.arange(bins.cells)
        groups = np.minimum(rank, GROUPS - 1).astype(np.intp)
        if bins.view:
            groups += np.where(rank >= GROUPS, rank % GROUPS, 0)
            groups = np.unique(groups, return_inverse=True)[1]
    groups[-1] = groups[:-1].max() + 1
    return groups


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
