"""Columns of vectors: (n, width) float64, one row a vector; a row of NaN alone is null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Block = NDArray[np.float64]


def block(values: Sequence[Any], width: int) -> Block:
    """Vectors of plain lists or arrays, with ``None`` for null.

    Raises:
        TypeError: when one is no list of numbers.
        ValueError: when one has another width, or a number that is not finite.

    >>> block([[1, 2.5], None], 2)
    array([[1. , 2.5],
           [nan, nan]])
    """
    result = np.full((len(values), width), np.nan)
    for row, value in enumerate(values):
        # A float is how pandas says that a row lacks its object.
        if value is not None and not (type(value) is float and value != value):
            result[row] = _numbers(value, width)
    return result


def _numbers(value: Any, width: int) -> Block:
    if isinstance(value, (str, bytes)):
        raise TypeError
    found = np.asarray(value)
    # NumPy would read numbers out of text, and a truth value is none.
    if found.dtype.kind not in "iuf":
        raise TypeError
    if found.shape != (width,) or not np.isfinite(found).all():
        raise ValueError
    return found.astype(np.float64)


def plain(vectors: Block) -> list[list[float] | None]:
    """Plain lists with ``None`` for null.

    >>> plain(np.array([[1.0, 2.0], [np.nan, np.nan]]))
    [[1.0, 2.0], None]
    """
    rows: list[list[float] | None] = vectors.tolist()
    null = null_rows(vectors)
    if null.any():
        for row in np.flatnonzero(null):
            rows[row] = None
    return rows


def null_rows(vectors: Block) -> NDArray[np.bool_]:
    """(n,) which vectors are null."""
    return np.asarray(np.isnan(vectors[:, 0]))


def from_polars(series: pl.Series, width: int) -> Block:
    """Vectors of a column of lists or arrays of numbers.

    Raises:
        TypeError: when it holds no lists of numbers.
        ValueError: as :func:`block`.
    """
    import polars as pl

    if series.null_count() == series.len():
        return np.full((series.len(), width), np.nan)
    inner = getattr(series.dtype, "inner", None)
    if inner is None or not (inner.is_numeric() or inner == pl.Null):
        raise TypeError
    lists = series.arr.to_list() if isinstance(series.dtype, pl.Array) else series
    known = lists.drop_nulls()
    if (known.list.len() != width).any():
        raise ValueError
    flat = known.explode().cast(pl.Float64).to_numpy()
    if not np.isfinite(flat).all():
        raise ValueError
    result = np.full((series.len(), width), np.nan)
    result[lists.is_not_null().to_numpy()] = flat.reshape(-1, width)
    return result


def objects(vectors: Block) -> NDArray[Any]:
    """(n,) objects, as pandas holds a column of arrays: an array a row, ``None`` for null."""
    result = np.empty(len(vectors), dtype=object)
    for row, null in enumerate(null_rows(vectors).tolist()):
        result[row] = None if null else vectors[row]
    return result
