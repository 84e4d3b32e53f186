"""Rows to columns and back, from every side, with the same answer."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.bundle.columns import (
    Table,
    column,
    concatenate,
    count,
    from_pandas,
    from_polars,
    from_rows,
    from_values,
    take,
    to_pandas,
    to_values,
)
from holdfast.bundle.columns import kind as kind_of
from holdfast.errors import DataError
from holdfast.records import Field, Signature

SIGNATURE = Signature(
    inputs=(
        Field(name="amount", type="double"),
        Field(name="count", type="long"),
        Field(name="member", type="boolean"),
        Field(name="city", type="string"),
        Field(name="since", type="datetime"),
    ),
    outputs=(),
)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
cells = st.fixed_dictionaries(
    {
        "amount": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "count": st.none() | st.integers(-(2**53), 2**53),
        "member": st.none() | st.booleans(),
        "city": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "since": st.none() | moments,
    }
)
SCHEMA = {
    "amount": pl.Float64, "count": pl.Int64, "member": pl.Boolean, "city": pl.String,
    "since": pl.Datetime("us", "UTC"),
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(cells, min_size=1, max_size=6))
def test_every_way_in_gives_the_same_columns(rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    expected = from_rows(rows, SIGNATURE)
    for other in (from_polars(frame, SIGNATURE), from_pandas(frame.to_pandas(), SIGNATURE)):
        for name, values in expected.items():
            assert other[name].dtype == values.dtype, name
            np.testing.assert_array_equal(other[name], values)
    back = from_values(to_values(expected), SIGNATURE)
    for name, values in expected.items():
        np.testing.assert_array_equal(back[name], values)
    assert count(expected) == len(rows)


def test_nulls_have_one_form_a_type() -> None:
    columns = from_rows([{}], SIGNATURE)
    assert math.isnan(columns["amount"][0])
    assert math.isnan(columns["count"][0])
    assert math.isnan(columns["member"][0])
    assert columns["city"][0] is None
    assert np.isnat(columns["since"][0])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("double", "1"), ("double", "NaN?"), ("long", 1.5), ("long", 2**70), ("boolean", 1),
        ("string", 3), ("datetime", "yesterday"), ("datetime", 5), ("long", None.__class__),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(DataError, match="'x'"):
        column([value], Field(name="x", type=kind))


def test_times_are_taken_to_utc() -> None:
    moment = datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    field = Field(name="x", type="datetime")
    for value in (moment, moment.isoformat(), "2024-01-01", np.datetime64("2024-01-01")):
        assert column([value], field)[0] == np.datetime64("2024-01-01T00:00:00", "us")


def test_a_missing_column_is_named() -> None:
    for reading, frame in ((from_polars, pl.DataFrame()), (from_pandas, pd.DataFrame())):
        with pytest.raises(DataError, match="'amount'"):
            reading(frame, SIGNATURE)
    with pytest.raises(DataError, match="'amount'"):
        from_values({}, SIGNATURE)


def test_a_frame_of_another_type_is_refused() -> None:
    signature = Signature(inputs=(Field(name="x", type="long"),), outputs=())
    with pytest.raises(DataError, match="'x'"):
        from_polars(pl.DataFrame({"x": ["a"]}), signature)
    with pytest.raises(DataError, match="'x'"):
        from_pandas(pd.DataFrame({"x": ["a"]}), signature)


def test_rows_are_taken_and_joined() -> None:
    columns = {"x": np.array([1, 2, 3])}
    joined = concatenate([take(columns, [2, 0]), {"x": np.array([np.nan])}])
    np.testing.assert_array_equal(joined["x"], [3.0, 1.0, np.nan])
    assert to_pandas(columns)["x"].tolist() == [1, 2, 3]
    assert count({}) == 0


def test_tables_of_one_kind_are_put_together_and_stay_tables() -> None:
    def table(*rows: float, kind: type = np.int64) -> Table:
        block = np.array([[row, -row] for row in rows])
        return Table(("x", "y"), block, {"n": np.arange(len(rows), dtype=kind)})

    one, two = table(1.0), table(2.0, 3.0)
    assert kind_of(one) == kind_of(two)
    assert kind_of(one) != kind_of(table(1.0, kind=float))
    joined = concatenate([one, two])
    assert type(joined) is Table
    assert joined.block.tolist() == [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]
    assert {name: joined[name].tolist() for name in joined} == {
        "x": [1.0, 2.0, 3.0], "y": [-1.0, -2.0, -3.0], "n": [0, 0, 1],
    }  # fmt: skip
    assert kind_of(dict(one)) == kind_of(dict(two))
