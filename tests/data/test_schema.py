from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from holdfast.data.schema import fields, normalise
from holdfast.errors import DataError


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
    "series", [pl.Series([[1]]), pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([2**70])]
)
def test_what_no_model_takes_is_refused_by_name(series: pl.Series) -> None:
    with pytest.raises(DataError, match="'odd'") as caught:
        normalise(pl.DataFrame({"odd": series}))

    assert caught.value.code == "data.type_unsupported"


def test_fields_say_type_and_nulls() -> None:
    (a, b) = fields(normalise(pl.DataFrame({"a": [1, None], "b": ["x", "y"]})))

    assert (a.type, a.nullable) == ("long", True)
    assert (b.type, b.nullable) == ("string", False)
