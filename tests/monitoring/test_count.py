"""Counting: hours, slices, the mapping of names, and that nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from holdfast.errors import DataError
from holdfast.monitoring.cells import SCHEMA
from holdfast.monitoring.count import count, summarise
from holdfast.monitoring.joint import JOINT
from holdfast.monitoring.merge import from_frame


def test_counts_match_polars(world, reference) -> None:
    frame = world(1, rows=700, days=2)
    summaries = summarise(frame, reference, "late", 3, ["origin"])
    hourly = frame.group_by(pl.col("at").dt.truncate("1h"), "origin").len()
    for hour, origin, rows in hourly.iter_rows():
        found = [s for s in summaries if s.hour == hour and s.slice == f"origin={origin}"]
        assert [s.rows for s in found] == [rows]
    everything = [s for s in summaries if s.slice == ""]
    assert sum(s.rows for s in everything) == frame.height
    for summary in summaries:
        assert (summary.model, summary.version) == ("late", 3)
        assert all(sum(column.counts) == summary.rows for column in summary.columns)


def test_moments_are_of_the_values(world, reference) -> None:
    frame = world(2, rows=400)
    one = frame.with_columns(at=pl.lit(frame["at"][0]))
    (summary,) = summarise(one, reference, "late", 1)
    wind = next(column for column in summary.columns if column.column == "wind")
    values = frame["wind"].drop_nans()
    assert wind.n == values.len() == sum(wind.counts) - wind.counts[-1]
    assert wind.total == pytest.approx(values.sum())
    assert wind.squares == pytest.approx((values**2).sum())
    assert (wind.low, wind.high) == (values.min(), values.max())
    carrier = next(column for column in summary.columns if column.column == "carrier")
    assert (carrier.n, carrier.low) == (400, None)


def test_names_may_differ_and_times_may_be_seconds(world, reference) -> None:
    frame = world(3, rows=300)
    renamed = frame.rename(
        {name: f"f_{name}" for name in ("wind", "rain", "carrier", "origin", "holiday")}
    )
    renamed = renamed.with_columns(at=pl.col("at").dt.epoch("us") / 1e6)
    mapping = {b.column: f"f_{b.column}" for b in reference.bins if b.column != "prediction"}
    found = summarise(renamed, reference, "late", 1, ["origin"], columns=mapping)
    assert found == summarise(frame, reference, "late", 1, ["origin"])


def test_slices_are_bounded_by_the_reference(world, reference) -> None:
    frame = world(4, rows=300).with_columns(origin=pl.lit("XXX"))
    assert {s.slice for s in summarise(frame, reference, "late", 1, ["origin"])} == {""}


def test_nothing_gives_nothing(world, reference) -> None:
    empty = count(world(5, rows=10).head(0), reference, model="late", version=1, slices=["origin"])
    assert empty.schema == pl.Schema(SCHEMA)
    assert empty.height == 0
    assert from_frame(empty, reference) == []


def test_a_missing_column_is_named(world, reference) -> None:
    with pytest.raises(DataError, match="'rain'"):
        count(world(6, rows=50).drop("rain"), reference, model="late", version=1)


def test_infinity_is_counted_but_not_summed(world, reference) -> None:
    frame = world(7, rows=40).with_columns(
        wind=pl.Series([np.inf, -np.inf, *[5.0] * 38]), at=pl.lit(world(7, rows=1)["at"][0])
    )
    (summary,) = summarise(frame, reference, "late", 1)
    wind = next(column for column in summary.columns if column.column == "wind")
    assert wind.total == 190.0
    assert sum(wind.counts) == 40


def test_many_hours_take_the_sparse_way(world, reference) -> None:
    frame = world(8, rows=2, days=900)
    rows = count(frame, reference, model="late", version=1)
    rows = rows.filter(pl.col("column") != JOINT)
    assert rows["counts"].list.sum().sum() == frame.height * len(reference.bins)
    assert rows["hour"].max() - rows["hour"].min() > timedelta(days=890)
