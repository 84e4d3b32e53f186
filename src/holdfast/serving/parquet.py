"""Rows as a Parquet file, read by pyarrow: in a thread, and imported when the first one comes.

A Parquet file of a few bytes can say that it holds gigabytes. So the rows are counted from the
footer first, only compressions that cannot blow up are taken, and text is read as codes and the
distinct texts, whose whole length is known before any of it is repeated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.limits import Limits

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN = frozenset({"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY"})
_COMPRESSIONS = frozenset({"UNCOMPRESSED", "SNAPPY"})  # others expand a thousandfold
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' own


def read_parquet(body: bytes, converter: Converter, limits: Limits) -> Rows:
    """Rows of a Parquet file with flat columns.

    Raises:
        RequestError: when it is none, is too large, or a cell is wrong.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RequestError(
            "request.media_type", "this server has no pyarrow, and so takes no Parquet",
            "Send application/json or text/csv", 415,
        ) from None  # fmt: skip
    try:
        source = pa.BufferReader(body)
        footer = pq.read_metadata(source)
        texts = _check(footer, converter.limit)
        table = pq.ParquetFile(
            source, metadata=footer, read_dictionary=texts, arrow_extensions_enabled=False
        ).read(use_threads=False)
        names = [name for name in table.column_names if not _INDEX.fullmatch(name)]
        if len(set(names)) != len(names):
            raise RequestError(
                "request.duplicate_column", "a column is named twice", "Name each once"
            )
        room = limits.unpacked
        columns: dict[str, list[Any]] = {}
        for name in names:
            columns[name], used = _values(table[name], room)
            room -= used
        rows = table.num_rows
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError):
        raise _malformed("the body is not a Parquet file that can be read") from None
    return converter.columns(columns, rows)


def _check(footer: Any, limit: int) -> list[str]:
    """Holds the footer against the bounds; returns the columns of texts."""
    if footer.num_rows > limit:
        raise RequestError(
            "request.too_many_rows", f"the request has more than {limit} rows",
            "Send them in several requests", 413,
        )  # fmt: skip
    schema = footer.schema
    columns = [schema.column(index) for index in range(len(schema.names))]
    if any(
        column.max_repetition_level or column.path != column.name
        or column.physical_type not in _PLAIN
        for column in columns
    ):  # fmt: skip
        raise _malformed("the Parquet file has columns that are not plain numbers, texts or times")
    for group in range(footer.num_row_groups):
        for index in range(len(columns)):
            if footer.row_group(group).column(index).compression not in _COMPRESSIONS:
                raise RequestError(
                    "request.encoding", "this compression of Parquet is not taken",
                    "Write it with compression='snappy' or none", 415,
                )  # fmt: skip
    return [column.name for column in columns if column.physical_type == "BYTE_ARRAY"]


def _values(column: pa.ChunkedArray, room: int) -> tuple[list[Any], int]:
    """The cells as JSON would give them, and how many characters of text they take."""
    values: list[Any] = []
    used = 0
    for chunk in column.chunks:
        if not hasattr(chunk, "dictionary"):
            values += map(_plain, chunk.to_pylist())
            continue
        texts = [_plain(text) for text in chunk.dictionary.to_pylist()]
        codes = chunk.indices.to_pylist()
        sizes = [len(text) if type(text) is str else 0 for text in texts]
        used += sum(sizes[code] for code in codes if code is not None)
        if used > room:
            raise RequestError(
                "request.too_large", "the texts of the Parquet file are too long together",
                "Send fewer rows", 413,
            )  # fmt: skip
        values += [None if code is None else texts[code] for code in codes]
    return values, used


def _plain(value: Any) -> Any:
    """A cell as JSON has it: no NaN, no infinity, times as text."""
    if type(value) is float:
        if value != value:
            return None
        if value in (float("inf"), float("-inf")):
            raise _malformed("the Parquet file holds infinity")
        return value
    return value.isoformat() if hasattr(value, "isoformat") else value


def _malformed(message: str) -> RequestError:
    return RequestError("request.malformed", message, "Write it as pandas.to_parquet does")
