"""Drift in slices: found where all rows hardly move, told once, and never without enough data."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.count import count
from holdfast.monitoring.days import MOST_SLICES, slice_days
from holdfast.monitoring.drift import drift
from holdfast.monitoring.look import look
from holdfast.monitoring.merge import blocks
from holdfast.monitoring.sliced import SHOWN, drift_of, in_slices, prices_of, reference_of
from holdfast.records import Reference
from holdfast.spec import Monitor

DAY = timedelta(days=1)
POLICY = Monitor(slices=("origin",))


def _parts(frame, reference, start, days):
    rows = count(frame, reference, model="late", version=1, slices=["origin"])
    window = {"since": start, "until": start + days * DAY, "length": DAY}
    keys = [one.slice for one in reference.summaries if one.slice]
    whole = blocks(rows, reference.bins, **window)
    return whole, {key: blocks(rows, reference.bins, **window, slice_key=key) for key in keys}


def _at(frame: pl.DataFrame, origin: str, by: float) -> pl.DataFrame:
    """The wind of one origin risen by so many standard deviations."""
    there = pl.when(pl.col("origin") == origin)
    return frame.with_columns(wind=there.then(pl.col("wind") + 3 * by).otherwise("wind"))


def _look(frame, reference, start, days, policy=POLICY):
    rows = count(frame, reference, model="late", version=2, slices=["origin"])
    outcomes = frame.select(
        "at", score="prediction", label=pl.lit(None, pl.Boolean), label_at=pl.lit(None, pl.Float64)
    )
    return look(
        reference, rows, outcomes, policy, task="binary", model="late", version=2, since=start,
        until=start + days * DAY, classes=(False, True), positive=True,
    )  # fmt: skip


def test_a_slice_that_moves_alone_is_found_and_named(world, reference, start) -> None:
    """0.25 standard deviations in a third of the rows; all rows move by a twelfth. Five seeds."""
    for seed in range(5):
        frame = _at(world(seed, 2400, 8), "JFK", 0.25)
        seen = _look(frame, reference, start, 8)
        (found,) = seen.findings
        assert (found.kind, found.slice) == ("input_drift", "origin=JFK")
        assert found.subject == "wind where origin=JFK"
        assert "'wind' has moved from the held-out rows where origin=JFK since" in found.sentence
        assert not any(one.declared.any() for one in seen.drift)
        assert seen.least_share < 1
        first = seen.sliced[0]
        assert (first.column, first.slice) == ("wind", "origin=JFK")
        assert first.declared[-1]


def test_what_moves_everywhere_is_told_once(world, reference, start) -> None:
    seen = _look(world(1, 1500, 6, shift=1.0), reference, start, 6)
    assert [one.subject for one in seen.findings] == ["wind"]
    assert not any(one.declared[-1] for one in seen.sliced)


def test_nothing_is_found_in_calm_slices(world, reference, start) -> None:
    """Ten times 30 days: one false finding a month is granted, none of slices alone comes."""
    found = 0
    for seed in range(10):
        parts = _parts(world(seed, 600, 30), reference, start, 30)
        found += sum(bool(one.declared.any()) for one in drift_of(reference, *parts).sliced)
    assert found <= 1


def test_without_slices_nothing_is_otherwise(world, reference, start) -> None:
    whole, _ = _parts(world(3, 400, 6, shift=0.4), reference, start, 6)
    alone, together = drift(reference, whole), drift_of(reference, whole, {})
    assert together.sliced == ()
    assert prices_of([len(alone)]) == [len(alone)]
    for one, other in zip(alone, together.columns, strict=True):
        assert one.floor.tolist() == other.floor.tolist()
        assert one.declared.tolist() == other.declared.tolist()
    seen = _look(world(3, 400, 6), reference, start, 6, Monitor())
    assert (seen.sliced, seen.slices) == ((), "")


def test_slices_cost_all_rows_half_of_the_budget_however_many_they_are() -> None:
    sizes = [6, 5, 5, 4]
    prices = prices_of(sizes)
    assert prices[0] == 12
    assert sum(size / price for price, size in zip(prices, sizes, strict=True)) == pytest.approx(1)


def test_harm_of_a_slice_is_what_it_does_to_all_rows(world, reference, start) -> None:
    """Scores near one half in one origin: in a third of the rows, a third of what they lose."""
    frame = world(4, 1800, 4)
    there = pl.when(pl.col("origin") == "EWR")
    frame = frame.with_columns(
        prediction=there.then(0.35 + 0.3 * pl.col("prediction")).otherwise("prediction")
    )
    whole, parts = _parts(frame, reference, start, 4)
    found = drift_of(reference, whole, parts)
    part = next(
        one for one in found.sliced if (one.column, one.slice) == ("prediction", "origin=EWR")
    )
    assert part.harm[-1] == pytest.approx(found.columns[0].harm[-1], abs=0.01)
    inside = drift(reference_of(reference, "origin=EWR"), parts["origin=EWR"])[0]
    assert part.harm[-1] == pytest.approx(inside.harm[-1] / 3, rel=0.1)


def test_the_column_of_a_slice_is_not_looked_at_in_it(reference) -> None:
    part = reference_of(reference, "origin=JFK")
    assert [one.column for one in part.bins] == [
        one.column for one in reference.bins if one.column != "origin"
    ]
    assert len(part.between.spread) == len(part.between.freedom) == len(part.bins)
    assert part.summaries[0].rows < reference.rows / 2


def test_older_references_know_of_no_slices_and_say_so(world, reference, start) -> None:
    """Not "no drift": JSON of before this was kept lacks the days of slices."""
    plain = msgspec.json.decode(reference.to_json())
    del plain["slices"]
    old = Reference.from_json(msgspec.json.encode(plain))
    assert old.slices is None
    seen = _look(_at(world(0, 2400, 8), "JFK", 0.25), old, start, 8)
    assert seen.findings == ()
    assert seen.sliced == ()
    assert seen.slices.startswith("not known")
    assert Reference.from_json(reference.to_json()) == reference


def test_where_drift_is_looked_for_is_said(reference) -> None:
    assert in_slices(reference, ()) == ""
    said = in_slices(reference, ("origin",))
    assert set(said.split(", ")) == {"origin=EWR", "origin=JFK", "origin=LGA"}
    one = dict(list(reference.slices.items())[:1])
    thin = msgspec.structs.replace(reference, slices=one)
    assert in_slices(thin, ("origin",)) == f"{next(iter(one))}; not enough data in 2 other slices"
    none = msgspec.structs.replace(reference, slices={})
    assert in_slices(none, ("origin",)) == "not enough data in 3 slices"
    assert in_slices(reference, ("gate",)).startswith("not known for gate, of whose values")


def test_slices_without_enough_rows_a_day_are_left_out(reference) -> None:
    """100 rows on five days are needed; and of many slices the largest twenty are kept."""
    rng = np.random.default_rng(0)
    n = 30_000
    cells = {one.column: rng.integers(0, one.cells - 1, n) for one in reference.bins}
    micros = np.sort(rng.integers(0, 10 * 86_400_000_000, n))
    share = rng.random(n)
    slices = {"": share >= 0, "k=thin": share < 0.01, "k=wide": share > 0.5}
    slices |= {f"g={i}": (share * 24).astype(int) == i for i in range(24)}
    found = slice_days(reference.bins, cells, micros, slices)
    assert "k=thin" not in found
    assert "k=wide" in found
    assert len(found) == MOST_SLICES
    assert all(len(one.between.spread) == len(reference.bins) for one in found.values())


def test_a_look_keeps_few_of_many(world, reference, start) -> None:
    parts = _parts(world(6, 900, 3), reference, start, 3)
    many = drift_of(reference, *parts)
    assert len(many.sliced) <= SHOWN
    empty = _parts(world(6, 10), reference, start, 0)
    assert all(one.declared.size == 0 for one in drift_of(reference, *empty).sliced)
    assert drift_of(reference, *empty).level is None
