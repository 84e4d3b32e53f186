"""Merging: any split and order of the rows gives the same counts, bit by bit."""

from __future__ import annotations

import itertools
from datetime import timedelta
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError
from holdfast.monitoring.count import count, summarise
from holdfast.monitoring.merge import blocks, compact, from_frame, merge, to_frame, total


@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 300), max_size=4))
@settings(max_examples=25, deadline=None)
def test_any_split_and_order_gives_the_same(world, reference, seed, cuts) -> None:
    frame = world(11, rows=300)
    whole = summarise(frame, reference, "late", 1, ["origin"])
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    edges = sorted({0, 300, *cuts})
    parts = [
        count(shuffled.slice(a, b - a), reference, model="late", version=1, slices=["origin"])
        for a, b in itertools.pairwise(edges)
    ]
    again = from_frame(pl.concat(reversed(parts)), reference)
    assert again == whole


def test_merge_is_associative_and_commutative(world, reference) -> None:
    hours = [s for s in summarise(world(12, rows=300), reference, "late", 1) if s.slice == ""]
    left = merge([merge(hours[:5]), merge(hours[5:])])
    right = merge([merge(list(reversed(hours[3:]))), *hours[:3]])
    assert left == right
    assert left.rows == 300


def test_merge_refuses_what_does_not_belong_together(world, reference) -> None:
    (one, *_) = summarise(world(13, rows=30), reference, "late", 1)
    other = type(one)(**{**{n: getattr(one, n) for n in one.__struct_fields__}, "columns": ()})
    with pytest.raises(DataError):
        merge([one, other])
    with pytest.raises(DataError):
        merge([])


def test_records_survive_the_stored_form_and_parquet(world, reference) -> None:
    summaries = summarise(world(14, rows=500), reference, "late", 1, ["origin"])
    buffer = BytesIO()
    to_frame(summaries).write_parquet(buffer)
    assert from_frame(pl.read_parquet(BytesIO(buffer.getvalue())), reference) == summaries
    stored = count(world(14, rows=500), reference, model="late", version=1, slices=["origin"])
    assert from_frame(stored, reference) == summaries


def test_blocks_equal_the_merged_records(world, reference, start) -> None:
    rows = count(world(15, rows=200, days=4), reference, model="late", version=1, slices=["origin"])
    day = timedelta(days=1)
    for key in ("", "origin=JFK"):
        found = blocks(
            pl.concat([rows, rows]), reference.bins, since=start, until=start + 3.5 * day,
            length=day, slice_key=key,
        )  # fmt: skip
        assert len(found.starts) == 3
        for i, begins in enumerate(found.starts):
            one = total(rows, reference, since=begins, until=begins + day, slice_key=key)
            for column in one.columns:
                assert (found.counts[column.column][i] == 2 * np.array(column.counts)).all()


def test_compacting_to_days_keeps_every_sum(world, reference, start) -> None:
    rows = count(world(16, rows=200, days=3), reference, model="late", version=1, slices=["origin"])
    day = timedelta(days=1)
    small = compact(rows, every=day)
    nights = rows.filter(pl.col("hour").dt.hour() < 6)
    again = compact(pl.concat([rows.join(nights, on="hour", how="anti"), nights]), every=day)
    assert again.equals(small)
    assert small.height == 3 * (4 * len(reference.bins) + 1)  # pairs are counted without slices
    window = {"since": start, "until": start + 3 * day, "length": day}
    before, after = (blocks(f, reference.bins, **window) for f in (rows, small))
    for name, counts in before.counts.items():
        assert (counts == after.counts[name]).all()


def test_nothing_between_two_times(world, reference, start) -> None:
    rows = count(world(17, rows=20), reference, model="late", version=1)
    later = start + timedelta(days=9)
    assert (
        total(rows, reference, since=later, until=later + timedelta(days=1), slice_key="") is None
    )
    empty = blocks(rows, reference.bins, since=later, until=start, length=timedelta(days=1))
    assert empty.starts == ()
    assert empty.rows.tolist() == []
