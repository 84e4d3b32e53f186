"""All columns at once are measured as each by itself would be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.monitoring.cells import ordered
from holdfast.monitoring.drift import MINIMUM_EFFECT, VIEW_EFFECT, Drift, drift
from holdfast.monitoring.grouping import few_of, groups_of
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.season import PARTITIONS, classes_of, column_table, expected, packed
from holdfast.monitoring.spans import SPANS
from holdfast.monitoring.together import alpha_of
from holdfast.monitoring.usual import beyond_usual
from holdfast.records import Between, Bins, ColumnSummary, Reference, Season, Summary
from holdfast.statistics.eprocess import log_cusum
from holdfast.statistics.histogram import (
    Distance,
    rank_wasserstein,
    regroup,
    shares,
    total_variation,
)
from holdfast.statistics.multinomial import multinomial_log_e

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BY = "quarter of the day"
CLASSES = int(PARTITIONS[BY].max()) + 1


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Reference, Blocks]:
    """Columns of every kind and width, some of them with a season, and blocks of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    blocks = draw(st.integers(0, 9))
    bins = tuple(_bins(draw, f"x{i}") for i in range(draw(st.integers(1, 7))))
    before = {one.column: _counts(rng, one.cells, 5000) for one in bins}
    for table in before.values():
        table[0] += 1  # there is always a held-out row
    counts = {
        one.column: np.array([_counts(rng, one.cells, draw(st.sampled_from([0, 30, 400])))
                              for _ in range(blocks)], dtype=np.int64).reshape(blocks, one.cells)
        for one in bins
    }  # fmt: skip
    groups = {one.column: groups_of(one, before[one.column])[-1] + 1 for one in bins}
    tables = {
        name: packed(rng.integers(0, 90, (CLASSES, size)))
        for name, size in groups.items()
        if draw(st.booleans())
    }
    columns = tuple(
        ColumnSummary(column=name, counts=tuple(table.tolist()), n=int(table.sum()))
        for name, table in before.items()
    )
    reference = Reference(
        bins=bins, loss=0, loss_low=0, loss_high=0,
        summaries=(Summary(model="m", version=1, hour=START, slice="", rows=1, columns=columns),),
        bin_loss={one.column: tuple(rng.random(one.cells)) for one in bins[::2]},
        season=Season(by=BY, columns=tables) if tables else None,
        between=None if draw(st.booleans()) else Between(
            days=30, following=0.3, spread=tuple(rng.random(len(bins)) / 9),
            freedom=(9.0,) * len(bins),
        ),
    )  # fmt: skip
    hours = rng.integers(0, 9, (blocks, 168)) if draw(st.booleans()) else None
    return reference, Blocks(tuple(START + i * DAY for i in range(blocks)), DAY, counts, hours)


def _bins(draw: st.DrawFn, name: str) -> Bins:
    view = draw(st.sampled_from(["", "", "axis"]))
    if draw(st.booleans()):
        categories = draw(st.sampled_from([1, 2, 14, 15, 40]))
        names = tuple(map(str, range(categories)))
        return Bins(column=name, kind="categorical", categories=names, view=view)
    edges = tuple(map(float, range(draw(st.sampled_from([0, 1, 3, 7, 40, 130])))))
    spikes = tuple(one for one in edges if draw(st.integers(0, 9)) == 0)
    return Bins(column=name, kind="numeric", edges=edges, spikes=spikes, view=view)


def _counts(rng: np.random.Generator, cells: int, rows: int) -> np.ndarray:
    """Rows over some of the cells."""
    weight = rng.random(cells) * (rng.random(cells) < 0.7)
    return rng.multinomial(rows, weight / weight.sum()) if weight.any() else np.zeros(cells, int)


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_together_is_as_one_by_one(world: tuple[Reference, Blocks]) -> None:
    reference, blocks = world
    for one, place in zip(drift(reference, blocks, minimum=20), range(99), strict=False):
        alone = _by_itself(reference, blocks, place, minimum=20)
        for name in ("rows", "effect", "low", "high", "floor", "span", "log_m", "harm"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(alone, name), rtol=1e-10, atol=1e-11, err_msg=name
            )


def _by_itself(reference: Reference, blocks: Blocks, place: int, minimum: int) -> Drift:
    """One column, block by block, as plainly as it can be written."""
    bins = reference.bins[place]
    before = np.array(reference.summaries[0].columns[place].counts, dtype=np.float64)
    counts, numeric = blocks.counts[bins.column], bins.kind == "numeric"
    groups, season = groups_of(bins, before), reference.season
    coarse, table, hours = regroup(before, groups), None, None
    if season is not None and blocks.hours is not None:
        table = column_table(season, bins.column, coarse.size)
        hours = classes_of(season, blocks.hours)
    few = few_of(coarse.size)
    losses = np.array(reference.bin_loss.get(bins.column, np.zeros(bins.cells)))
    least = VIEW_EFFECT if bins.view else MINIMUM_EFFECT
    rare = alpha_of(1.0, blocks.length) / len(reference.bins)
    floors = [max(least, _usual(reference, place, rare, span)) for span in SPANS]
    common = _usual(reference, place, 0.05, 1)
    result: dict[str, list[float]] = {name: [] for name in Drift.__slots__}
    strange = []
    for k in range(len(counts)):
        seen = []
        for span in SPANS:
            run = slice(max(k - span + 1, 0), k + 1)
            now, expect = counts[run].sum(axis=0), coarse
            if table is not None:
                expect = expected(table, hours[run].sum(axis=0)[None])[0]
            if span == 1 and table is None and not (bins.view and not numeric):
                order = ordered(bins) if numeric else np.arange(bins.cells)
                pair = before[order], now[order]
            elif numeric:
                pair = expect[:-1], regroup(now, groups)[:-1]
            else:
                pair = expect, regroup(now, groups)
            found = (rank_wasserstein if numeric else total_variation)(*pair)
            seen.append((found, pair[1].sum(), now))
            if span == 1:
                log_e = multinomial_log_e(regroup(now, groups), expect, expect.sum())
                if numeric:
                    pair = regroup(expect, few), regroup(regroup(now, groups), few)
                    rough = multinomial_log_e(pair[1], pair[0], pair[0].sum())
                    log_e = np.logaddexp(log_e, rough) - np.log(2)
                result["log_m"].append(float(log_e))
                result["rows"].append(now.sum())
                far = found.value - found.chance > common
                strange.append(bool(far) and pair[1].sum() > 0 and seen[0][1] > 0)
        sure = common <= least or sum(strange[-3:]) >= 2
        enough = [rows >= minimum for _, rows, _ in seen]
        beyond = [
            sure and is_enough and distance.low() > floor
            for (distance, *_), is_enough, floor in zip(seen, enough, floors, strict=True)
        ]
        best = int(np.argmax(beyond) if any(beyond) else np.argmax(enough))
        _tell(result, seen[best][0], any(enough))
        lost = shares(seen[best][2]) @ losses - shares(before) @ losses
        result["harm"].append(float(lost) if any(enough) else np.nan)
        result["floor"].append(floors[best])
        result["span"].append(SPANS[best])
    columns = {name: np.array(values) for name, values in result.items()}
    columns["log_m"] = log_cusum(columns["log_m"])
    return Drift(**{**columns, "column": bins.column, "measure": ""})  # type: ignore[arg-type]


def _usual(reference: Reference, place: int, share: float, span: int) -> float:
    known = beyond_usual(reference.between, share, span)
    return float(known[place]) if known.size else 0.0


def _tell(result: dict[str, list[float]], found: Distance, enough: bool) -> None:
    for name, value in (("effect", found.value), ("low", found.low()), ("high", found.high())):
        result[name].append(float(value) if enough else np.nan)


@pytest.mark.parametrize("groups", [1, 2, 3, 5, 17])
def test_few_groups_leave_none_empty(groups: int) -> None:
    assert np.unique(few_of(groups)).tolist() == list(range(min(groups, 5)))
