from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from holdfast.data.fingerprint import content_id
from holdfast.data.schema import fields, normalise
from holdfast.errors import DataError
from holdfast.records import Field


@pytest.mark.parametrize(
    ("series", "dtype"),
    [
        (pl.Series([1, 2], dtype=pl.Int8), pl.Int64),
        (pl.Series([1, 2], dtype=pl.UInt64), pl.Int64),
        (pl.Series([1.5, None], dtype=pl.Float32), pl.Float64),
        (pl.Series([Decimal("1.5")]), pl.Float64),
        (pl.Series([None, None]), pl.Float64),
        (pl.Series(["a"], dtype=pl.Categorical), pl.String),
        (pl.Series(["a"], dtype=pl.Enum(["a"])), pl.String),
        (pl.Series([True]), pl.Boolean),
        (pl.Series([date(2026, 1, 1)]), pl.Datetime("us", "UTC")),
        (pl.Series([date(2026, 1, 1)]).cast(pl.Datetime("ns")), pl.Datetime("us", "UTC")),
    ],
)
def test_every_kind_of_column_becomes_one_of_five(series: pl.Series, dtype: pl.DataType) -> None:
    column = normalise(pl.DataFrame({"a": series}))["a"]

    assert column.dtype == dtype
    assert column.null_count() == series.null_count()


def test_nan_is_null_and_minus_zero_is_zero() -> None:
    column = normalise(pl.DataFrame({"a": [float("nan"), -0.0]}))["a"]

    assert column.to_list() == [None, 0.0]
    assert str(column[1]) == "0.0"


def test_other_time_zones_become_utc() -> None:
    there = pl.Series(["2026-07-01T12:00"]).str.to_datetime().dt.replace_time_zone("Europe/Berlin")

    assert normalise(pl.DataFrame({"t": there}))["t"][0] == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "series", [pl.Series([["a"]]), pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([2**70])]
)
def test_what_no_model_takes_is_refused_by_name(series: pl.Series) -> None:
    with pytest.raises(DataError, match="'odd'") as caught:
        normalise(pl.DataFrame({"odd": series}))

    assert caught.value.code == "data.type_unsupported"


def test_fields_say_type_and_nulls() -> None:
    (a, b) = fields(normalise(pl.DataFrame({"a": [1, None], "b": ["x", "y"]})))

    assert (a.type, a.nullable) == ("long", True)
    assert (b.type, b.nullable) == ("string", False)


def test_lists_of_one_width_are_vectors() -> None:
    lists = [[1, 2, 3], None, [-0.0, 0.5, 1e300]]
    for dtype in (pl.List(pl.Float32), pl.List(pl.Float64), pl.Array(pl.Float64, 3)):
        frame = normalise(pl.DataFrame({"e": pl.Series(lists, dtype=dtype, strict=False)[:2]}))
        assert frame.schema == {"e": pl.Array(pl.Float64, 3)}
        assert frame["e"].to_list() == [[1.0, 2.0, 3.0], None]
    whole = normalise(pl.DataFrame({"e": [[1, 2, 3]]}))
    assert fields(whole) == (Field(name="e", type="vector", nullable=False, width=3),)
    nothing = pl.DataFrame({"e": [None]}, schema={"e": pl.List(pl.Float64)})
    assert normalise(nothing).schema == {"e": pl.Float64}
    wide = pl.DataFrame({"e": [None]}, schema={"e": pl.Array(pl.Int32, 3)})
    for frame in (wide, wide.clear()):
        assert normalise(frame).schema == {"e": pl.Array(pl.Float64, 3)}
    zero = normalise(pl.DataFrame({"e": [[-0.0]]}))["e"].to_list()
    assert str(zero) == "[[0.0]]"


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ([[1.0], [1.0, 2.0]], "'e' have from 1 to 2 numbers"),
        ([[1.0, 2.0], []], "'e' have from 0 to 2 numbers"),
        ([[1.0, None]], "'e' holds null, NaN or infinity"),
        ([[1.0, float("nan")]], "'e' holds null, NaN or infinity"),
        ([[float("inf")]], "'e' holds null, NaN or infinity"),
        ([["a"]], "which no model takes"),
    ],
)
def test_lists_that_are_no_vectors_are_refused(lists: list[Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        normalise(pl.DataFrame({"e": lists}))
    empty = pl.DataFrame({"e": [[], None]}, schema={"e": pl.List(pl.Float64)})
    with pytest.raises(DataError, match="'e' have no numbers"):
        normalise(empty)


def test_the_content_of_a_vector_counts_and_its_form_does_not() -> None:
    rows = [[1.0, 2.0], None]
    lists = normalise(pl.DataFrame({"e": rows}))
    arrays = normalise(pl.DataFrame({"e": rows}, schema={"e": pl.Array(pl.Float32, 2)}))
    other = normalise(pl.DataFrame({"e": [[1.0, 2.5], None]}))
    assert content_id(lists) == content_id(arrays) != content_id(other)
