"""The six column types, and how every other type becomes one of them."""

from __future__ import annotations

import numpy as np
import polars as pl

from holdfast.errors import DataError
from holdfast.records import ColumnType, Field

TIME = pl.Datetime("us", "UTC")

_NAMES: dict[type[pl.DataType], ColumnType] = {
    pl.Float64: "double",
    pl.Int64: "long",
    pl.Boolean: "boolean",
    pl.String: "string",
    pl.Datetime: "datetime",
    pl.Array: "vector",
}
_INTEGERS = (
    pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Int128,
)  # fmt: skip


def normalise(frame: pl.DataFrame) -> pl.DataFrame:
    """Casts every column to ``Float64``, ``Int64``, ``Boolean``, ``String``, UTC microseconds, or
    ``Array(Float64, width)`` for lists of numbers.

    NaN becomes null and ``-0.0`` becomes ``0.0``, so equal data has one form only. Naive times
    are taken as UTC. A column of nothing but nulls without a type, or without a width, becomes
    ``Float64``.

    Raises:
        DataError: ``data.type_unsupported`` when a column has no such form, ``data.ragged`` when
            its lists are not all of one width, ``data.null_in_vector`` when one has a gap.

    >>> normalise(pl.DataFrame({"n": pl.Series([1], dtype=pl.Int32)})).schema["n"]
    Int64
    """
    return frame.select(_as_supported(frame.get_column(name)) for name in frame.columns)


def fields(frame: pl.DataFrame) -> tuple[Field, ...]:
    """The schema of a normalised frame; a column is nullable when it has nulls.

    >>> fields(pl.DataFrame({"a": [1.0, None]}))
    (Field(name='a', type='double', nullable=True, width=0),)
    """
    return tuple(
        Field(
            name=name, type=type_name(frame.schema[name]), nullable=nulls > 0,
            width=width_of(frame.schema[name]),
        )
        for name, nulls in zip(frame.columns, frame.null_count().row(0), strict=True)
    )  # fmt: skip


def width_of(dtype: pl.DataType) -> int:
    """Numbers in a normalised column's vectors; 0 for every other type.

    >>> width_of(pl.Array(pl.Float64, 3)), width_of(pl.Float64())
    (3, 0)
    """
    return int(dtype.size) if isinstance(dtype, pl.Array) else 0


def type_name(dtype: pl.DataType) -> ColumnType:
    """The name of a normalised column's type.

    Raises:
        DataError: ``data.type_unsupported`` when the column was not normalised.
    """
    name = _NAMES.get(type(dtype))
    if name is None:
        raise _unsupported("", dtype)
    return name


def _as_supported(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, _INTEGERS):
        return _whole(column)
    if dtype.is_numeric() or dtype == pl.Null:  # floats and decimals are left
        number = column.cast(pl.Float64).fill_nan(None)
        return number.set(number == 0, 0.0)  # -0.0 equals 0.0
    if isinstance(dtype, pl.Boolean | pl.String):
        return column
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Datetime | pl.Date):
        return as_utc(column)
    if isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_numeric():
        return _vector(column)
    raise _unsupported(column.name, dtype)


def _vector(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Array):
        widths, lists = [int(column.dtype.size)], column.arr.to_list()
    else:
        widths, lists = column.list.len().drop_nulls().unique().sort().to_list(), column
    if not widths:
        return pl.Series(column.name, [None] * column.len(), dtype=pl.Float64)
    if len(widths) > 1 or not widths[0]:
        found = f"from {widths[0]} to {widths[-1]}" if widths[-1] else "no"
        raise DataError(
            "data.ragged",
            f"the lists of column '{column.name}' have {found} numbers",
            "Give every row a list of the same width, at least 1, or null.",
        )
    known = lists.drop_nulls().explode().cast(pl.Float64)
    if not np.isfinite(known.fill_null(np.nan).to_numpy()).all():
        raise DataError(
            "data.null_in_vector",
            f"a list of column '{column.name}' holds null, NaN or infinity",
            "Fill the gap in the source, or make the whole list null.",
        )
    whole = lists.cast(pl.List(pl.Float64)).list.eval(pl.element() + 0.0)  # -0.0 equals 0.0
    return whole.list.to_array(widths[0])


def as_utc(column: pl.Series) -> pl.Series:
    """A column of dates or times as UTC microseconds; naive ones are taken as UTC."""
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _whole(column: pl.Series) -> pl.Series:
    try:
        return column.cast(pl.Int64)
    except pl.exceptions.InvalidOperationError:
        raise DataError(
            "data.type_unsupported",
            f"column '{column.name}' has whole numbers beyond 64 bits",
            "Make it text or a decimal number in the source.",
        ) from None


def _unsupported(name: str, dtype: pl.DataType) -> DataError:
    return DataError(
        "data.type_unsupported",
        f"column '{name}' is of type {dtype}, which no model takes",
        "Make it a number, a boolean, text, a time or a list of numbers in the source, or leave it "
        "out of features.",
    )
