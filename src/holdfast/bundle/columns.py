"""Rows held column by column, as NumPy arrays: what every predictor takes.

==========  ==================================================================
``double``  float64; null is NaN
``long``    int64, or float64 with NaN when the column has nulls
``boolean``  bool, or float64 (0, 1) with NaN when the column has nulls
``string``  object array of ``str`` or ``None``
``datetime``  datetime64[us] in UTC; null is NaT
``vector``  (n, width) float64; null is a row of NaN
==========  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from holdfast.bundle import vectors
from holdfast.errors import DataError
from holdfast.records.signature import Field, Signature

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Column = NDArray[Any]
Columns = Mapping[str, Column]


class Table(Mapping[str, Column]):
    """Columns of which those of numbers lie side by side in one array, for models that take them at
    once.

    Args:
        order: names of the columns in ``block``.
        block: (n, k) float64; the columns of these names are views of it.
        others: the other columns.
    """

    __slots__ = ("block", "order", "others")

    def __init__(
        self, order: tuple[str, ...], block: NDArray[np.float64], others: dict[str, Column]
    ) -> None:
        self.order = order
        self.block = block
        self.others = others

    def __getitem__(self, name: str) -> Column:
        found = self.others.get(name)
        if found is not None:
            return found
        try:
            return self.block[:, self.order.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return chain(self.order, self.others)

    def __len__(self) -> int:
        return len(self.order) + len(self.others)


def count(columns: Columns) -> int:
    """Number of rows.

    >>> count({"a": np.zeros(3)})
    3
    """
    return next((len(values) for values in columns.values()), 0)


def take(columns: Columns, index: Any) -> Columns:
    """The rows that ``index`` (positions, a mask or a slice) picks, in its order."""
    return {name: values[index] for name, values in columns.items()}


def kind(columns: Columns) -> tuple[Any, ...]:
    """Equal for columns whose rows may be put together without a change of any value."""
    if type(columns) is Table:
        return columns.order, *((name, one.dtype) for name, one in columns.others.items())
    return tuple((name, values.dtype) for name, values in columns.items())


def concatenate(parts: Sequence[Columns]) -> Columns:
    """The rows of several columns of one :func:`kind`, one after the other."""
    first = parts[0]
    if type(first) is Table:
        tables = cast("Sequence[Table]", parts)
        others = {
            name: np.concatenate([one.others[name] for one in tables]) for name in first.others
        }
        return Table(first.order, np.concatenate([one.block for one in tables]), others)
    return {name: np.concatenate([part[name] for part in parts]) for name in first}


def from_rows(rows: Sequence[Mapping[str, Any]], signature: Signature) -> Columns:
    """Columns of plain rows; a missing key is null, other keys are left out.

    Raises:
        DataError: when a value does not fit its column's type.
    """
    return from_values(
        {field.name: [row.get(field.name) for row in rows] for field in signature.inputs},
        signature,
    )


def from_values(values: Mapping[str, Sequence[Any]], signature: Signature) -> Columns:
    """Columns of plain lists, one a feature, with ``None`` for null.

    Raises:
        DataError: when a column is missing, or a value does not fit its column's type.
    """
    columns = {}
    for field in signature.inputs:
        if field.name not in values:
            raise _missing(field.name)
        columns[field.name] = column(values[field.name], field)
    return columns


def column(values: Iterable[Any], field: Field) -> Column:
    """One column of plain values; datetimes may be aware, or ISO 8601 text (then UTC if naive).

    Raises:
        DataError: when a value does not fit the column's type.

    >>> column([1, None], Field(name="a", type="long"))
    array([ 1., nan])
    """
    try:
        if field.type == "vector":
            return vectors.block(list(values), field.width)
        return _BUILDERS[field.type](list(values))
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise DataError(
            "data.wrong_type",
            f"column '{field.name}' holds a value that is not a {field.kind}",
            f"Send only {field.type} values (or null) in '{field.name}'.",
        ) from None


def _doubles(values: list[Any]) -> Column:
    # NumPy would read numbers out of text.
    if any(isinstance(value, str) for value in values):
        raise TypeError
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _longs(values: list[Any]) -> Column:
    # NumPy would truncate 1.5 to 1 without a word.
    if any(isinstance(value, float) and not value.is_integer() for value in values):
        raise ValueError
    return _doubles(values) if None in values else np.array(values, dtype=np.int64)


def _booleans(values: list[Any]) -> Column:
    # 0.0 and 1.0 are how a column with nulls holds them.
    for value in values:
        if not (value is None or isinstance(value, (bool, np.bool_)) or _is_flag(value)):
            raise TypeError
    return _doubles(values) if None in values else np.array(values, dtype=np.bool_)


def _is_flag(value: Any) -> bool:
    return isinstance(value, float) and value in (0.0, 1.0)


def _strings(values: list[Any]) -> Column:
    if not all(value is None or isinstance(value, str) for value in values):
        raise TypeError
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _moments(values: list[Any]) -> Column:
    return np.array([_moment(value) for value in values], dtype="datetime64[us]")


def _moment(value: Any) -> Any:
    if value is None:
        return np.datetime64("NaT", "us")
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]")
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(value, "us")


_BUILDERS = {
    "double": _doubles,
    "long": _longs,
    "boolean": _booleans,
    "string": _strings,
    "datetime": _moments,
}


def to_values(columns: Columns) -> dict[str, list[Any]]:
    """Plain JSON-able lists with ``None`` for null; datetimes as ISO 8601 text in UTC.

    >>> to_values({"a": np.array([1.5, np.nan]), "b": np.array([True])})
    {'a': [1.5, None], 'b': [True]}
    """
    return {name: _plain(values) for name, values in columns.items()}


def _plain(values: Column) -> list[Any]:
    if values.ndim == 2:
        return vectors.plain(values)
    kind = values.dtype.kind
    if kind == "M":
        texts = np.datetime_as_string(values.astype("datetime64[us]")).tolist()
        return [None if text == "NaT" else text + "+00:00" for text in texts]
    plain: list[Any] = values.tolist()
    return [None if value != value else value for value in plain] if kind == "f" else plain


def from_polars(frame: pl.DataFrame, signature: Signature) -> Columns:
    """Columns of the features of a polars frame; other columns are left out.

    Raises:
        DataError: when a column is missing or of another type.
    """
    columns = {}
    for field in signature.inputs:
        if field.name not in frame.columns:
            raise _missing(field.name)
        try:
            columns[field.name] = _from_series(frame.get_column(field.name), field)
        except Exception as error:
            raise DataError(
                "data.wrong_type",
                f"column '{field.name}' is {frame.schema[field.name]}, not {field.kind}",
                "Give the type the model was trained on.",
            ) from error
    return columns


def _from_series(series: pl.Series, field: Field) -> Column:
    import polars as pl

    kind = field.type
    if kind == "vector":
        return vectors.from_polars(series, field.width)
    if kind == "string":
        return series.cast(pl.String).to_numpy().astype(object)
    if kind == "datetime":
        if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series.cast(pl.Datetime("us")).to_numpy().astype("datetime64[us]")
    if kind == "double" or series.null_count():
        return series.cast(pl.Float64).to_numpy()
    return series.cast(pl.Int64 if kind == "long" else pl.Boolean).to_numpy()


def from_pandas(frame: pd.DataFrame, signature: Signature) -> Columns:
    """Columns of the features of a pandas frame; other columns are left out.

    Raises:
        DataError: when a column is missing or of another type.
    """
    columns = {}
    for field in signature.inputs:
        if field.name not in frame.columns:
            raise _missing(field.name)
        try:
            columns[field.name] = _from_pandas_series(frame[field.name], field)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(
                "data.wrong_type",
                f"column '{field.name}' is {frame[field.name].dtype}, not {field.kind}",
                "Give the type the model was trained on.",
            ) from error
    return columns


def _from_pandas_series(series: pd.Series[Any], field: Field) -> Column:
    import pandas as pd

    kind = field.type
    if kind == "vector":
        return vectors.block(series.tolist(), field.width)
    if kind == "datetime":
        moments = pd.to_datetime(series, utc=True).dt.tz_localize(None)
        return np.asarray(moments.to_numpy().astype("datetime64[us]"))
    missing = series.isna().to_numpy()
    if kind == "string":
        values = series.astype(object).to_numpy(dtype=object, copy=True)
        values[missing] = None
        return _strings(values.tolist())
    if kind == "double" or missing.any():
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    values = series.to_numpy()
    if kind == "boolean":
        return _booleans(values.tolist())
    return np.asarray(values, dtype=np.int64) if values.dtype.kind in "iu" else _longs(list(values))


def to_pandas(columns: Columns) -> pd.DataFrame:
    """A plain pandas frame of the columns, without copying numbers."""
    import pandas as pd

    held = {
        name: vectors.objects(values) if values.ndim == 2 else values
        for name, values in columns.items()
    }
    return pd.DataFrame(held, copy=False)


def _missing(name: str) -> DataError:
    return DataError(
        "data.missing_column", f"there is no column '{name}'", f"Give the column '{name}'."
    )
