"""The columns of one reference measured over blocks, before anything is declared of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.against import Held, distances, held_against, log_es
from holdfast.monitoring.grouping import measured
from holdfast.monitoring.merge import Blocks, counts_of
from holdfast.monitoring.spans import SPANS, Measured, confirmed, strongest, trailing
from holdfast.monitoring.together import DAY, floors, newest
from holdfast.monitoring.usual import beyond_usual, reached
from holdfast.records import Bins, Reference
from holdfast.statistics.eprocess import log_cusum
from holdfast.statistics.histogram import Distance, shares

COMMON = 0.05
"""Share of blocks that are beyond what is common."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]
Column = tuple[Bins, Floats, Counts]


@dataclass(frozen=True)
class Streams:
    """C columns over N blocks.

    Args:
        reference: that they are held against.
        columns: of each, its bins, its counts there, and its (N, cells) counts.
        length: of a block.
        log_m: (C, N) log of the e-detectors.
        apart: (C, N) distances, one a span.
        counted: (spans, C, N) rows that these are of.
    """

    reference: Reference
    columns: tuple[Column, ...]
    length: timedelta
    log_m: Floats
    apart: tuple[Distance, ...]
    counted: Counts

    @property
    def days(self) -> float:
        """Length of a block."""
        return self.length.total_seconds() / DAY

    @cached_property
    def rows(self) -> Counts:
        """(C, N) rows of each block."""
        return np.stack([counts.sum(axis=1) for *_, counts in self.columns])

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

    def harm(self, place: int, span: Counts, effect: Floats) -> Floats:
        """(N,) change of the mean loss of one column, over the span that its effect is of."""
        bins, before, counts = self.columns[place]
        losses = np.asarray(self.reference.bin_loss.get(bins.column, np.zeros(bins.cells)))
        lost, rows = counts @ losses, counts.sum(axis=1)
        harm = np.full(len(counts), np.nan)
        for one in np.unique(span).tolist():
            n = np.maximum(trailing(rows, one, axis=0), 1)
            mean = trailing(lost, one, axis=0) / n
            harm = np.where(span == one, mean - shares(before) @ losses, harm)
        return np.where(np.isnan(effect), np.nan, harm)


def measure(reference: Reference, blocks: Blocks) -> Streams:
    """Measures every column against the reference; the prediction first.

    Args:
        reference: the held-out rows.
        blocks: consecutive blocks of the same rows, of one version.
    """
    known = counts_of(reference.summaries[0])
    columns = tuple(
        (bins, np.asarray(known[bins.column], dtype=np.float64), blocks.counts[bins.column])
        for bins in reference.bins
    )
    kinds = [bins.kind for bins, *_ in columns]
    held = [held_against(reference, blocks, *column) for column in columns]
    apart, counted = _distances(columns, kinds, held)
    log_m = np.asarray([log_cusum(log_e) for log_e in log_es(kinds, held)])
    return Streams(reference, columns, blocks.length, log_m, apart, counted)


def _distances(
    columns: Sequence[Column], kinds: Sequence[str], held: Sequence[Held]
) -> tuple[tuple[Distance, ...], Counts]:
    """Of each span. Coarse groups, of longer spans and of columns with a season, are much less to
    compute, and hardly differ.
    """
    found, present = [], []
    for span in SPANS:
        tables = [
            measured(*column) if span == 1 and one.table is None else one.values(column[0], span)
            for column, one in zip(columns, held, strict=True)
        ]
        found.append(distances(kinds, tables))
        present.append([now.sum(axis=-1) for _, now in tables])
    return tuple(found), np.asarray(present)
