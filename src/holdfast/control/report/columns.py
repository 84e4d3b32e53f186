"""Columns over a window: how far they drifted, and what came in beside the held-out rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.control.drift import MEASURES
from holdfast.control.report.numbers import Bar, ColumnDrift, ColumnShares, DriftBlock
from holdfast.control.seen import SeenDrift, SeenLook
from holdfast.loop.stints import Stint
from holdfast.monitoring.cells import PREDICTION, ordered, outside
from holdfast.monitoring.merge import counts_of, total
from holdfast.records import Bins, Reference

_GROUPS = 20
_CATEGORIES = 8

Counts = NDArray[np.int64]


def column_drift(
    looks: Sequence[SeenLook],
    lived: Sequence[Stint],
    block: timedelta,
    start: datetime,
    end: datetime,
) -> tuple[ColumnDrift, ...]:
    """Drift of every column in the blocks of a window, over all versions; the prediction first.

    Of slices those columns that were shown to have moved, after all others.

    Args:
        looks: all that are kept.
        lived: when versions were live, oldest first.
        block: length of a block.
        start: of the window.
        end: the first moment after it.
    """
    known = {(look.version, look.since): look for look in looks}
    found: dict[tuple[str, str], list[DriftBlock]] = {}
    measures: dict[str, str] = {}
    for stint in lived:
        look = known.get((stint.version, stint.since))
        for one in (*look.drift, *look.sliced) if look is not None else ():
            measures[one.column] = MEASURES.get(one.measure, one.measure)
            for part in _blocks(one, look.starts if look else (), stint, block):
                if part.end > start and part.start < end:
                    found.setdefault((one.column, one.slice), []).append(part)
    columns = (
        ColumnDrift(name, measures[name], tuple(parts), key) for (name, key), parts in found.items()
    )
    shown = (one for one in columns if one.moved or not one.slice)
    return tuple(sorted(shown, key=_prediction_first))


def _prediction_first(one: ColumnDrift) -> tuple[bool, bool, int, float]:
    """The prediction, then what moved most often, then what came nearest to it."""
    nearest = max(((b.effect or 0.0) / max(b.floor, 1e-9) for b in one.known), default=0.0)
    return bool(one.slice), one.column != PREDICTION, -one.moved, -nearest


def _blocks(
    one: SeenDrift, starts: Sequence[datetime], stint: Stint, block: timedelta
) -> Iterator[DriftBlock]:
    lists = (starts, one.rows, one.effect, one.low, one.high, one.floors, one.harm, one.declared)
    for at, rows, effect, low, high, floor, harm, moved in zip(*lists, strict=False):
        begin, stop = max(at, stint.since), min(at + block, stint.until or at + block)
        if begin < stop:
            yield DriftBlock(
                start=begin, end=stop, version=stint.version, rows=rows, effect=effect, low=low,
                high=high, floor=floor, harm=harm, moved=bool(moved),
            )  # fmt: skip


def column_shares(
    reference: Reference, counts: pl.DataFrame, start: datetime, end: datetime
) -> tuple[ColumnShares, ...]:
    """What came in for each column in a window, beside the held-out rows.

    Args:
        reference: of one version.
        counts: its stored summaries.
        start: of the window.
        end: the first moment after it.
    """
    hours = start.replace(minute=0, second=0, microsecond=0)
    seen = total(counts, reference, since=hours, until=end, slice_key="")
    if seen is None or not reference.summaries:
        return ()
    before, now = counts_of(reference.summaries[0]), counts_of(seen)
    return tuple(
        _shares_of(bins, before[bins.column], now[bins.column])
        for bins in reference.bins
        if bins.column in before and bins.column in now
    )


def _shares_of(bins: Bins, before: Counts, now: Counts) -> ColumnShares:
    rows, known = max(int(now.sum()), 1), max(int(before.sum()), 1)
    beyond = int(now[sorted(set(outside(bins)))].sum())
    make = _numeric if bins.kind == "numeric" else _categorical
    return ColumnShares(
        column=bins.column,
        kind=bins.kind,
        rows=int(now.sum()),
        null_before=float(before[-1]) / known,
        null=float(now[-1]) / rows,
        outside=beyond / rows,
        bars=tuple(make(bins, before / known, now / rows)),
    )


def _numeric(bins: Bins, before: NDArray[np.float64], now: NDArray[np.float64]) -> Iterator[Bar]:
    """Groups of values in order, each with about a twentieth of the held-out rows."""
    order = ordered(bins)
    below, above = outside(bins)
    inner = [int(cell) for cell in order if cell not in (below, above)]
    yield Bar("below", float(before[below]), float(now[below]))
    held, seen, first = 0.0, 0.0, None
    whole = float(before[inner].sum())
    for place, cell in enumerate(inner):
        first = _starts(bins, cell) if first is None else first
        held, seen = held + float(before[cell]), seen + float(now[cell])
        if held >= whole / _GROUPS or place == len(inner) - 1:
            yield Bar(f"{_text(first)} to {_text(_stops(bins, cell))}", held, seen)
            held, seen, first = 0.0, 0.0, None
    yield Bar("above", float(before[above]), float(now[above]))


def _text(edge: float) -> str:
    """An edge in words; one just beside zero is there to part zero from what is below it."""
    return f"{0.0 if abs(edge) < 1e-300 else edge:.4g}".replace("-", "−")


def _starts(bins: Bins, cell: int) -> float:
    if cell > len(bins.edges):
        return bins.spikes[cell - len(bins.edges) - 1]
    return bins.edges[cell - 1]


def _stops(bins: Bins, cell: int) -> float:
    return _starts(bins, cell) if cell > len(bins.edges) else bins.edges[cell]


def _categorical(
    bins: Bins, before: NDArray[np.float64], now: NDArray[np.float64]
) -> Iterator[Bar]:
    """The values with the largest shares, and the rest."""
    count = len(bins.categories)
    order = np.argsort(-(before + now)[:count], kind="stable")
    for cell in order[:_CATEGORIES].tolist():
        yield Bar(bins.categories[cell], float(before[cell]), float(now[cell]))
    rest = order[_CATEGORIES:]
    if rest.size:
        yield Bar("others", float(before[rest].sum()), float(now[rest].sum()))
    yield Bar("never seen before", 0.0, float(now[count]))
