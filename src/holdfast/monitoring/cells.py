"""Which cell a value falls into: the one rule that reference and production share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.records import Bins

PREDICTION = "prediction"
CATEGORIES = 1000
_BOOLEAN = frozenset({"false", "true"})

SCHEMA: dict[str, Any] = {
    "model": pl.String,
    "version": pl.Int64,
    "hour": pl.Datetime("us", "UTC"),
    "slice": pl.String,
    "column": pl.String,
    "n": pl.Int64,
    "cells": pl.List(pl.UInt16),
    "counts": pl.List(pl.UInt32),
    "total": pl.Float64,
    "squares": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Binned(NamedTuple):
    """One column as cells: (n,) cell of each row, and (n,) its number, NaN where null."""

    cells: Indices
    values: Floats | None


def is_numeric(series: pl.Series) -> bool:
    """Whether a column is cut by quantiles; booleans and text are counted by value."""
    return series.dtype.is_numeric() or series.dtype.is_temporal()


def as_numbers(series: pl.Series) -> Floats:
    """A column as float64, NaN where it is null or no number; times as seconds since 1970."""
    if series.dtype.is_temporal() and series.dtype not in (pl.Duration, pl.Time):
        series = series.cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    if series.dtype == pl.Boolean:
        series = series.cast(pl.UInt8)
    numbers = series.cast(pl.Float64, strict=False)
    if numbers.null_count():
        numbers = numbers.fill_null(float("nan"))
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def as_text(series: pl.Series) -> pl.Series:
    """A column as text: ``true`` and ``false`` for booleans, no ``.0`` on whole numbers."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
        whole = series.cast(pl.Int64, strict=False)
        text = series.cast(pl.String)
        return whole.cast(pl.String).zip_with((whole == series).fill_null(value=False), text)
    return series.cast(pl.String, strict=False)


def index(series: pl.Series, bins: Bins) -> Binned:
    """The cell of each row of a column under frozen bins; see :class:`Bins` for their order."""
    if bins.kind == "categorical":
        return Binned(category_cells(series, bins).astype(np.intp), None)
    values = as_numbers(series)
    return Binned(number_cells(values, bins), values)


def number_cells(values: Floats, bins: Bins) -> Indices:
    """(n,) the cell of each number, NaN among the nulls."""
    edges = np.asarray(bins.edges)
    cells = np.searchsorted(edges, values, side="left").astype(np.intp)
    if bins.spikes:
        spikes = np.asarray(bins.spikes)
        place = np.minimum(np.searchsorted(spikes, values, side="left"), spikes.size - 1)
        cells = np.where(spikes[place] == values, edges.size + 1 + place, cells)
    cells[np.isnan(values)] = bins.cells - 1
    return cells


def category_cells(series: pl.Series, bins: Bins) -> NDArray[np.integer[Any]]:
    """(n,) the cell of each category, of as few bytes as there are cells."""
    text = text_of(series, bins.categories)
    unseen = len(bins.categories)
    codes = text.cast(pl.Enum(list(bins.categories)), strict=False).to_physical()
    if not codes.null_count():
        return codes.to_numpy()
    found = codes.cast(pl.Int64).fill_null(unseen).to_numpy()
    if not text.null_count():
        return found
    return np.where(text.is_null().to_numpy(), unseen + 1, found)


def ordered(bins: Bins) -> Indices:
    """The cells of a numeric column without the nulls, in the order of their values.

    A spike comes right after the cell that ends at its value.
    """
    if not bins.spikes:
        return np.arange(len(bins.edges) + 1)
    edges, spikes = np.asarray(bins.edges), np.asarray(bins.spikes)
    plain = np.arange(edges.size + 1) * 2.0
    own = np.searchsorted(edges, spikes, side="left") * 2.0 + 1.0
    return np.argsort(np.concatenate([plain, own]), kind="stable")


def outside(bins: Bins) -> tuple[int, int]:
    """The two cells that were empty in the reference by making: below and above its range.

    For a categorical column both are the cell of the unseen.
    """
    if bins.kind == "numeric":
        return 0, len(bins.edges)
    return len(bins.categories), len(bins.categories)


def column_of(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column of a frame.

    Raises:
        DataError: when the frame has no such column.
    """
    if name not in frame.columns:
        raise DataError(
            "monitoring.missing_column",
            f"the frame to summarise has no column '{name}'",
            f"It has {', '.join(frame.columns)}.",
        )
    return frame[name]


def as_lists(values: NDArray[Any], lengths: Sequence[int] | Indices) -> pl.Series:
    """Cuts a flat array into a column of lists of given lengths.

    Arrow would do it without copying, but importing it takes the recorder 25 MB.

    >>> as_lists(np.array([7, 8, 9]), [1, 0, 2]).to_list()
    [[7], [], [8, 9]]
    """
    rows = np.arange(len(lengths))
    cut = (
        pl.DataFrame({"row": np.repeat(rows, lengths), "value": values})
        .group_by(pl.col("row").set_sorted(), maintain_order=True)
        .agg("value")
    )
    every = pl.DataFrame({"row": rows})
    return every.join(cut, on="row", how="left", maintain_order="left")["value"].fill_null([])


def text_of(series: pl.Series, categories: Sequence[str]) -> pl.Series:
    """A column as the text its categories are told apart by; numbers may stand for booleans."""
    if series.dtype.is_numeric() and set(categories) <= _BOOLEAN:
        series = series.cast(pl.Float64).fill_nan(None).cast(pl.Boolean)
    return as_text(series)
