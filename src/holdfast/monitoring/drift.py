"""Drift: whether a column has moved from the held-out rows, by how much, and how sure that is.

Two things must agree before a block of a column is declared. The *evidence*: an e-detector over
blocks has crossed its threshold among all columns together (e-BH). And the *effect*: the lower
bound of the distance exceeds :data:`MINIMUM_EFFECT` and what is usual between days. Real traffic
has seasons, so "exactly as the held-out rows" is never true, and evidence against it proves little.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.cells import ordered
from holdfast.monitoring.merge import Blocks, counts_of
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
USUAL = 0.95  # the share of days that Reference.usual speaks of
GROUPS = 16
MOST_ALPHA = 0.05
MONTH = 30 * 86_400.0
_GAP = 2  # blocks that may pass unproven within one run of drift

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Drift:
    """One column over N blocks; NaN where a block has not enough rows.

    Args:
        column: which.
        measure: ``rank_wasserstein`` (numeric) or ``total_variation`` (categorical), in [0, 1].
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
    parts = []
    for bins in reference.bins:
        counts = blocks.counts[bins.column]
        enough = _present(bins, counts) >= minimum
        log_e = np.where(enough, log_e_of(bins, known[bins.column], counts), 0.0)
        parts.append((bins, counts, log_cusum(log_e)))
    alpha = min(pages_per_month * blocks.length.total_seconds() / MONTH, MOST_ALPHA)
    proven = _proven([log_m for _, _, log_m in parts], alpha)
    rarely = beyond_usual(alpha, len(parts))
    result = []
    for (bins, counts, log_m), sure in zip(parts, proven, strict=True):
        enough = _present(bins, counts) >= minimum
        distance = effect_of(bins, known[bins.column], counts)
        floor = max(minimum_effect, reference.usual.get(bins.column, 0.0) * rarely)
        low = np.where(enough, distance.low(), np.nan)
        losses = np.asarray(reference.bin_loss.get(bins.column, np.zeros(bins.cells)))
        harm = (shares(counts) - shares(known[bins.column])) @ losses
        result.append(
            Drift(
                column=bins.column,
                measure="rank_wasserstein" if bins.kind == "numeric" else "total_variation",
                rows=counts.sum(axis=1),
                effect=np.where(enough, distance.value, np.nan),
                low=low,
                high=np.where(enough, distance.high(), np.nan),
                floor=floor,
                log_m=log_m,
                harm=np.where(enough, harm, np.nan),
                declared=sure & enough & (low > floor),
            )
        )
    return tuple(result)


def beyond_usual(alpha: float, columns: int) -> float:
    """How many times what is usual any of so many columns reaches in a share ``alpha`` of blocks.

    What one column reaches on 5 % of days, one of twenty reaches on most. Days are taken as normal,
    the tail is shared out by Bonferroni.

    >>> round(beyond_usual(0.05, 1), 2), round(beyond_usual(1 / 30, 20), 2)
    (1.0, 1.6)
    """
    normal = NormalDist()
    usual, rare = (1 + USUAL) / 2, 1 - alpha / (2 * max(columns, 1))
    return max(normal.inv_cdf(rare) / normal.inv_cdf(usual), 1.0)


def _present(bins: Bins, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) rows an effect is measured on: numeric distances leave the nulls aside."""
    kept = counts[:, :-1] if bins.kind == "numeric" else counts
    return np.asarray(kept.sum(axis=1))


def _proven(log_ms: list[Floats], alpha: float) -> Flags:
    """(columns, N) which columns are declared in each block, together."""
    evidence = np.asarray(log_ms)
    proven = [e_bh(block, alpha) for block in evidence.T]
    return np.asarray(proven, dtype=np.bool_).reshape(evidence.T.shape).T


def effect_of(bins: Bins, reference: ArrayLike, current: ArrayLike) -> Distance:
    """Distance of windows from the reference: by rank (numeric, nulls aside), or by share."""
    r, c = np.asarray(reference), np.asarray(current)
    if bins.kind == "categorical":
        return total_variation(r, c)
    order = ordered(bins)
    return rank_wasserstein(r[order], c[..., order])


def log_e_of(bins: Bins, reference: ArrayLike, current: ArrayLike) -> Floats:
    """Log e-value of windows against the reference, on about 16 coarse cells and the nulls."""
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    groups = np.zeros(bins.cells, dtype=np.intp)
    if bins.kind == "numeric":
        order = ordered(bins)
        groups[order] = coarsen(r[order], GROUPS)
    else:
        # Categories come by frequency: the first have a cell each, rare and unseen share one.
        groups = np.minimum(np.arange(bins.cells), GROUPS - 1).astype(np.intp)
    groups[-1] = groups[:-1].max() + 1
    return multinomial_log_e(regroup(c, groups), regroup(r, groups), int(r.sum()))


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
