"""The columns of one reference measured over blocks, before anything is declared of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.against import distances, log_es
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.plan import plan_of
from holdfast.monitoring.season import classes_of
from holdfast.monitoring.spans import SPANS, Measured, confirmed, strongest, trailing
from holdfast.monitoring.together import DAY, floors, newest
from holdfast.monitoring.usual import beyond_usual, reached
from holdfast.records import Bins, Reference
from holdfast.statistics.eprocess import log_cusum
from holdfast.statistics.histogram import Distance

COMMON = 0.05
"""Share of blocks that are beyond what is common."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Streams:
    """C columns over N blocks.

    Args:
        reference: that they are held against.
        length: of a block.
        rows: (C, N) rows of each block.
        lost: (C, N) more loss than the held-out rows had that is to be expected of them, from each
            column alone.
        log_m: (C, N) log of the e-detectors.
        apart: (C, N) distances, one a span.
        counted: (spans, C, N) rows that these are of.
    """

    reference: Reference
    length: timedelta
    rows: Counts
    lost: Floats
    log_m: Floats
    apart: tuple[Distance, ...]
    counted: Counts

    @property
    def days(self) -> float:
        """Length of a block."""
        return self.length.total_seconds() / DAY

    @property
    def columns(self) -> tuple[Bins, ...]:
        """The columns."""
        return self.reference.bins

    @cached_property
    def common(self) -> Floats:
        """(C,) what 95 % of blocks stay below."""
        found = beyond_usual(self.reference.between, COMMON, self.days)
        return found if found.size else np.zeros(len(self.columns))

    def sure(self, least: Floats) -> Flags:
        """(C, N) where a column may be declared at all: one whose days vary, only when two of the
        last three say so.
        """
        settled = (self.common <= least)[:, None]
        return np.asarray(settled | confirmed(self.apart[0], self.counted[0], self.common))

    def effects(
        self, least: Floats, minimum: int, alpha: float, price: float, budget: Floats
    ) -> Measured:
        """How far each column is away, over the span that says most.

        Args:
            least: (C,) the smallest effect that counts.
            minimum: fewest rows.
            alpha: of one block.
            price: of each column.
            budget: (N,) share of it that each block is judged at.
        """
        between = self.reference.between
        rare = [floors(between, alpha, price, budget, span * self.days) for span in SPANS]
        usual = np.stack([one if one.size else np.zeros_like(self.log_m) for one in rare])
        floor = np.maximum(usual, least[:, None])
        return strongest(self.apart, self.counted >= minimum, floor, self.sure(least))

    def days_levels(self, least: Floats, minimum: int, price: float) -> Floats:
        """(C,) the α at which the effect of the newest block would do; infinite: at none."""
        if not self.log_m.size:
            return np.full(len(self.columns), np.inf)
        enough = self.counted >= minimum
        last = newest(np.asarray(enough.any(axis=0)))[:, None]

        def taken(values: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(np.take_along_axis(values, last, axis=1)[:, 0])

        may = taken(self.sure(least))
        found = []
        for place, span in enumerate(SPANS):
            low = taken(self.apart[place].low())
            level = price * reached(self.reference.between, low, span * self.days)
            far = taken(enough[place]) & may & (low > least)
            found.append(np.where(far, level, np.inf))
        return np.asarray(np.min(found, axis=0))

    def harm(self, far: Measured) -> Floats:
        """(C, N) change of the mean loss, over the span that the effect of each is of."""
        harm, rows = np.full(far.span.shape, np.nan), self.rows.astype(np.float64)
        for span in SPANS:
            mean = trailing(self.lost, span, -1) / np.maximum(trailing(rows, span, -1), 1)
            harm = np.where(far.span == span, mean, harm)
        return np.where(np.isnan(far.value), np.nan, harm)


def measure(reference: Reference, blocks: Blocks) -> Streams:
    """Measures every column against the reference; the prediction first.

    Args:
        reference: the held-out rows.
        blocks: consecutive blocks of the same rows, of one version.
    """
    hours = _hours(reference, blocks)
    plan = plan_of(reference, by_hour=hours is not None)
    flat = plan.rows(blocks)
    rows, known = plan.known(flat)
    # Coarse groups, of longer spans and of columns with a season, are much less to compute, and
    # hardly differ.
    apart = (
        *distances(plan.alone, plan.numeric, flat, hours, SPANS[:1]),
        *distances(plan.runs, plan.numeric, flat, hours, SPANS[1:]),
    )
    return Streams(
        reference=reference,
        length=blocks.length,
        rows=rows.T.astype(np.int64),
        lost=(plan.lost(flat) - rows * plan.loss).T,
        log_m=log_cusum(log_es(plan.groups, plan.few, len(plan.bins), flat, hours)),
        apart=apart,
        counted=np.stack([trailing(known.T, span, axis=-1) for span in SPANS]).astype(np.int64),
    )


def _hours(reference: Reference, blocks: Blocks) -> Floats | None:
    """(N, classes) rows of each block by hour; None when that makes no difference."""
    season = reference.season
    if season is None or not season.columns or blocks.hours is None:
        return None
    return classes_of(season, blocks.hours)
