"""Drift: whether a column has moved from the held-out rows, by how much, and how sure that is.

Two things must agree before a block of a column is declared. The *evidence*: an e-detector over
blocks has crossed its threshold among all columns together (e-BH). And the *effect*: the lower
bound of the distance exceeds :data:`MINIMUM_EFFECT` and what is usual between days. Real traffic
has seasons, so "exactly as the held-out rows" is never true, and evidence against it proves little.
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

MINIMUM_EFFECT = 0.1
GROUPS = 16
MOST_ALPHA = 0.05
MONTH = 30 * 86_400.0
JOINT_SHARE = 0.2  # of the false declarations, for pairs of columns
_GAP = 2  # blocks that may pass unproven within one run of drift

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Column = tuple[Bins, Floats, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Drift:
    """One column over N blocks; NaN where a block has not enough rows.

    Args:
        column: which.
        measure: ``rank_wasserstein`` (numeric), ``total_variation`` (categorical), or
            ``dependence`` (two columns together), in [0, 1].
        rows: (N,) rows counted.
        effect: (N,) distance from the reference; ``low`` and ``high`` its one-sided 95 % bounds.
        floor: what ``low`` must exceed: the minimum effect, or what days reach by themselves.
        log_m: (N,) log of the e-detector.
        harm: (N,) change of the mean loss that is expected from the change of this column alone,
            Σ_b (q_b − p_b)·L_b, with L_b the reference's mean loss in cell b.
        declared: (N,) both evidence and effect.
    """

    column: str
    measure: str
    rows: NDArray[np.int64]
    effect: Floats
    low: Floats
    high: Floats
    floor: float
    log_m: Floats
    harm: Floats
    declared: Flags

    @property
    def enough(self) -> Flags:
        """(N,) whether the block had enough rows to say anything."""
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
        minimum: fewest rows of a block; for numbers, those that are not null.
        pages_per_month: false declarations that are tolerated, over all columns, before the
            demand on the effect.
        minimum_effect: smallest distance worth a word, in [0, 1]. 0.1 is a shift of about 0.18
            standard deviations, or one row in ten in another category.
    """
    known = counts_of(reference.summaries[0])
    columns = [
        (bins, np.asarray(known[bins.column], dtype=np.float64), blocks.counts[bins.column])
        for bins in reference.bins
    ]
    enough = [_present(bins, counts) >= minimum for bins, _, counts in columns]
    log_ms = [
        log_cusum(np.where(there, log_e, 0.0))
        for there, log_e in zip(enough, _log_es(columns), strict=True)
    ]
    share = 1.0 if reference.joint is None else 1.0 - JOINT_SHARE
    alpha = share * alpha_of(pages_per_month, blocks.length)
    proven = declared_together(log_ms, alpha)
    every = zip(columns, enough, log_ms, proven, _distances(columns), strict=True)
    result = []
    for (bins, before, counts), there, log_m, sure, distance in every:
        usual = reference.usual.get(bins.column, 0.0)
        floor = max(minimum_effect, float(beyond_usual(usual, alpha, len(columns))))
        low = np.where(there, distance.low(), np.nan)
        losses = np.asarray(reference.bin_loss.get(bins.column, np.zeros(bins.cells)))
        harm = (shares(counts) - shares(before)) @ losses
        result.append(
            Drift(
                column=bins.column,
                measure="rank_wasserstein" if bins.kind == "numeric" else "total_variation",
                rows=counts.sum(axis=1),
                effect=np.where(there, distance.value, np.nan),
                low=low,
                high=np.where(there, distance.high(), np.nan),
                floor=floor,
                log_m=log_m,
                harm=np.where(there, harm, np.nan),
                declared=sure & there & (low > floor),
            )
        )
    return tuple(result)


def _log_es(columns: Sequence[Column]) -> list[Floats]:
    """(N,) log e-values of each column, those of equally many groups at once."""
    tables = [_grouped(*column) for column in columns]
    result: list[Floats] = [np.zeros(0)] * len(tables)
    for places in _alike([before.size for before, _ in tables]):
        before, now = _stacked([tables[i] for i in places])
        found = multinomial_log_e(now, before, int(before[0].sum()))
        for i, log_e in zip(places, found, strict=True):
            result[i] = log_e
    return result


def _distances(columns: Sequence[Column]) -> list[Distance]:
    """The distances of each column, those of equally many cells at once."""
    result: list[Distance] = [Distance(*np.zeros((3, 0)))] * len(columns)
    measured = [_measured(*column) for column in columns]
    kinds = [(bins.kind, before.size) for (bins, *_), (before, _) in
             zip(columns, measured, strict=True)]  # fmt: skip
    for places in _alike(kinds):
        before, now = _stacked([measured[i] for i in places])
        numeric = kinds[places[0]][0] == "numeric"
        found = (rank_wasserstein if numeric else total_variation)(before, now)
        for k, i in enumerate(places):
            result[i] = Distance(*(part[k] for part in found))
    return result


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Places of equal keys."""
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return list(found.values())


def _stacked(tables: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """(C, 1, B) and (C, N, B)."""
    before, now = zip(*tables, strict=True)
    return np.stack(before)[:, None, :], np.stack(now)


def _present(bins: Bins, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) rows an effect is measured on: numeric distances leave the nulls aside."""
    kept = counts[:, :-1] if bins.kind == "numeric" else counts
    return np.asarray(kept.sum(axis=1))


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


def _measured(bins: Bins, r: NDArray[Any], c: NDArray[Any]) -> tuple[Floats, Floats]:
    """The counts that a distance is taken of."""
    if bins.kind == "numeric":
        order = ordered(bins)
        return r[order], c[..., order]
    # Over the thousand cells of a view chance alone makes more than any drift.
    return _grouped(bins, r, c) if bins.view else (r, c)


def _grouped(bins: Bins, r: NDArray[Any], c: NDArray[Any]) -> tuple[Floats, Floats]:
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
