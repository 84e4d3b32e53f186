"""What makes two frames the same data: an order of rows, and a digest of the cells."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from holdfast.data.schema import fields
from holdfast.records.base import Record, digest
from holdfast.records.signature import ColumnType


class _Column(Record, frozen=True, kw_only=True):
    """A column by its content."""

    name: str
    type: ColumnType
    sha256: str


class _Content(Record, frozen=True, kw_only=True):
    """A table by its content; the digest of its JSON is the id."""

    rows: int
    columns: tuple[_Column, ...]


def in_order(frame: pl.DataFrame, first: list[str]) -> pl.DataFrame:
    """Sorts rows by ``first``, then by all other columns, so that any shuffle gives one order."""
    # Sorting by all columns at once costs four times as much, and is hardly ever needed.
    ordered = frame.sort(first)
    changes = ordered.select(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in first)
    if bool(changes.select(pl.any_horizontal(pl.all())).to_series()[1:].all()):
        return ordered
    return frame.sort([*first, *(name for name in frame.columns if name not in first)])


def content_id(ordered: pl.DataFrame) -> str:
    """``sha256:…`` of a normalised frame's names, types and cells, in the order of its rows.

    Depends neither on chunks in memory nor on files.

    >>> a, b = pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [1, 3]})
    >>> content_id(a) == content_id(pl.concat([a[:1], a[1:]])), content_id(a) == content_id(b)
    (True, False)
    """
    columns = tuple(
        _Column(name=field.name, type=field.type, sha256=_sha256(ordered.get_column(field.name)))
        for field in fields(ordered)
    )
    return digest(_Content(rows=ordered.height, columns=columns).to_json())


def _sha256(column: pl.Series) -> str:
    """The digest of a column's validity and values; what lies under a null does not count."""
    state = hashlib.sha256(np.packbits(column.is_not_null().to_numpy()).tobytes())
    if column.dtype == pl.String:
        for part in _text(column):
            state.update(part)
        return state.hexdigest()
    if column.dtype == pl.Boolean:
        state.update(np.packbits(column.fill_null(False).to_numpy()).tobytes())
        return state.hexdigest()
    if isinstance(column.dtype, pl.Array):
        vectors = column.to_numpy()
        vectors = np.where(column.is_not_null().to_numpy()[:, None], vectors, 0.0)
        state.update(np.ascontiguousarray(vectors, "<f8").tobytes())
        return state.hexdigest()
    plain = column.dt.timestamp("us") if isinstance(column.dtype, pl.Datetime) else column
    values = plain.fill_null(0).to_numpy()
    state.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
    return state.hexdigest()


def _text(column: pl.Series) -> tuple[memoryview, memoryview]:
    """The lengths of the texts, and the texts one after the other, in UTF-8."""
    array = column.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype="<i8", count=len(array) + 1, offset=array.offset * 8)
    body = memoryview(data)[int(ends[0]) : int(ends[-1])] if data is not None else memoryview(b"")
    return memoryview(np.diff(ends).tobytes()), body
