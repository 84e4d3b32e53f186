"""Rebuilding the frame a model was trained on, with its dtypes, from columns.

``native/frame.json`` keeps the kind of frame and each column's dtype, so that a category stays a
category and an int32 an int32 without the server ever reading the training data.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.bundle import vectors
from holdfast.bundle.columns import Column, Columns
from holdfast.errors import BundleError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

FRAME_FILE = "native/frame.json"


class ColumnDtype(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The dtype of one column, as its library writes it; ``categories`` of a categorical."""

    name: str
    dtype: str
    categories: tuple[str, ...] | None = None
    ordered: bool = False


class FrameRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """How the model wants its rows: a pandas or polars frame, or one matrix of float64."""

    kind: Literal["pandas", "polars", "matrix"]
    columns: tuple[ColumnDtype, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns in the order the model takes them."""
        return tuple(column.name for column in self.columns)

    def to_json(self) -> bytes:
        """Readable JSON, the same bytes for equal recipes."""
        return json.dumps(msgspec.to_builtins(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> FrameRecipe:
        """Reads back what :meth:`to_json` wrote.

        Raises:
            BundleError: when it is malformed.
        """
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise BundleError(
                "bundle.malformed", f"{FRAME_FILE} cannot be read", "Register the version again."
            ) from error

    def build(self, columns: Columns) -> Any:
        """The frame or matrix of the rows of ``columns``.

        Raises:
            BundleError: when a column has nulls that the model never takes.
        """
        if self.kind == "pandas":
            return self._pandas(columns)
        if self.kind == "polars":
            return self._polars(columns)
        return self._matrix(columns)

    def _matrix(self, columns: Columns) -> NDArray[np.float64]:
        return np.column_stack([columns[name].astype(np.float64) for name in self.names])

    def _pandas(self, columns: Columns) -> pd.DataFrame:
        import pandas as pd

        # A copy: what the model does to its frame is not done to what is recorded.
        return pd.DataFrame(
            {column.name: pandas_values(columns[column.name], column) for column in self.columns},
            copy=True,
        )

    def _polars(self, columns: Columns) -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame([polars_series(columns[c.name], c) for c in self.columns])


def recipe_of(frame: pl.DataFrame, kind: Literal["pandas", "polars", "matrix"]) -> FrameRecipe:
    """The recipe of a training frame: ``frame`` holds the model's columns, in its order."""
    if kind == "pandas":
        described = [_describe_pandas(str(n), s) for n, s in frame.to_pandas().items()]
    elif kind == "polars":
        described = [_describe_polars(series) for series in frame]
    else:
        described = [ColumnDtype(name=name, dtype="float64") for name in frame.columns]
    return FrameRecipe(kind=kind, columns=tuple(described))


def _describe_pandas(name: str, series: pd.Series[Any]) -> ColumnDtype:
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = tuple(str(value) for value in series.dtype.categories)
        ordered = bool(series.dtype.ordered)
        return ColumnDtype(name=name, dtype="category", categories=categories, ordered=ordered)
    return ColumnDtype(name=name, dtype=str(series.dtype))


def _describe_polars(series: pl.Series) -> ColumnDtype:
    import polars as pl

    dtype = series.dtype
    if isinstance(dtype, pl.Enum):
        return ColumnDtype(name=series.name, dtype="Enum", categories=tuple(dtype.categories))
    if isinstance(dtype, pl.Datetime):
        return ColumnDtype(name=series.name, dtype=f"Datetime {dtype.time_unit} {dtype.time_zone}")
    return ColumnDtype(name=series.name, dtype=str(dtype.base_type()))


def pandas_values(values: Column, column: ColumnDtype) -> Any:
    """The values of one column as pandas had them in training.

    Raises:
        BundleError: when nulls do not fit the dtype.
    """
    import pandas as pd

    dtype = column.dtype
    if values.ndim == 2:
        return vectors.objects(values)
    if column.categories is not None:
        codes = {value: code for code, value in enumerate(column.categories)}
        positions = np.array([codes.get(value, -1) for value in values], dtype=np.int64)
        kind = pd.CategoricalDtype(list(column.categories), ordered=column.ordered)
        return pd.Categorical.from_codes(positions, dtype=kind)
    if values.dtype.kind == "M":
        if dtype.startswith("datetime64["):
            unit, _, zone = dtype[len("datetime64[") : -1].partition(", ")
            moments = pd.DatetimeIndex(values.astype(f"datetime64[{unit}]"))
            return moments.tz_localize("UTC").tz_convert(zone) if zone else moments
        return values
    if dtype == "object" and values.dtype.kind in "bf":
        flags = values.astype(np.bool_).astype(object)
        flags[np.isnan(values.astype(np.float64))] = None
        return flags
    if values.dtype.kind == "O":
        return pd.array(values, dtype=dtype)  # type: ignore[call-overload]
    return _number(values, column)


def _number(values: Column, column: ColumnDtype) -> Column:
    target = np.dtype(column.dtype)
    if target.kind in "iub" and values.dtype.kind == "f" and np.isnan(values).any():
        raise BundleError(
            "bundle.null",
            f"the column '{column.name}' has a null, and the model never saw one there",
            f"Send a value for '{column.name}'.",
        )
    return values.astype(target, copy=False)


def polars_series(values: Column, column: ColumnDtype) -> pl.Series:
    """The values of one column as polars had them in training; NaN becomes null."""
    import polars as pl

    name, (kind, *rest) = column.name, column.dtype.split(" ")
    if values.ndim == 2:
        rows = pl.Series(name, values, dtype=pl.Array(pl.Float64, values.shape[1]))
        null = pl.Series(vectors.null_rows(values))
        return rows.to_frame().select(pl.when(~null).then(pl.col(name)).alias(name)).to_series()
    if column.categories is not None:
        known = set(column.categories)
        # A category never seen in training is a null, as pandas has it.
        cells = [value if value in known else None for value in values]
        return pl.Series(name, cells, dtype=pl.Enum(column.categories))
    if kind == "Datetime":
        unit, zone = rest
        series = pl.Series(name, values.astype("datetime64[us]")).cast(pl.Datetime(unit))  # type: ignore[arg-type]
        if zone != "None":
            series = series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return series
    if values.dtype.kind == "O":
        return pl.Series(name, list(values), dtype=pl.String).cast(getattr(pl, kind))
    if values.dtype.kind == "f":
        return pl.Series(name, values).fill_nan(None).cast(getattr(pl, kind))
    return pl.Series(name, values).cast(getattr(pl, kind))
