"""Parquet to columns, in a process of its own: ``python -m holdfast.serving.parquet_decode``.

A damaged Parquet file can make pyarrow abort its process, and one of a few bytes can say that it
holds gigabytes. So this process answers nobody but the server, its memory is bounded, and it ends
with its standard input. Besides, rows are counted from the footer first, only compressions and
encodings that cannot blow up are taken, and text is read as codes and the distinct texts, whose
whole length is known before any of it is repeated.

Frames on the pipes: a length and then MessagePack, as :class:`Order` and :class:`Decoded`.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import msgspec

from holdfast.errors import RequestError

if TYPE_CHECKING:
    import pyarrow as pa

_LENGTH = struct.Struct("<Q")
_PLAIN = frozenset({"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY"})
_NUMBERS = frozenset({"INT32", "INT64", "FLOAT", "DOUBLE"})
_COMPRESSIONS = frozenset({"UNCOMPRESSED", "SNAPPY"})  # others expand a thousandfold
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' own
_MEMORY = 2**30


class Order(msgspec.Struct, frozen=True, array_like=True):
    """A file to decode.

    Args:
        body: the file.
        rows: most rows.
        characters: most characters of text in all.
        widths: of the columns of vectors, which may be lists.
    """

    body: bytes
    rows: int
    characters: int
    widths: dict[str, int] = {}


class Decoded(msgspec.Struct, frozen=True, array_like=True):
    """What was in it, or why it is refused: the arguments of a ``RequestError``."""

    columns: dict[str, list[Any]] = {}
    rows: int = 0
    refused: tuple[str, str, str, int] | None = None


def decode(order: Order) -> Decoded:
    """Columns with cells as JSON would give them.

    Raises:
        RequestError: when it is no Parquet file with flat columns, or too large.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pa.BufferReader(order.body)
        footer = pq.read_metadata(source)
        texts = _check(footer, order.rows, order.widths)
        table = pq.ParquetFile(
            source, metadata=footer, read_dictionary=texts, arrow_extensions_enabled=False
        ).read(use_threads=False)
        names = [name for name in table.column_names if not _INDEX.fullmatch(name)]
        if len(set(names)) != len(names):
            raise RequestError(
                "request.duplicate_column", "a column is named twice", "Name each once"
            )
        room = order.characters
        columns: dict[str, list[Any]] = {}
        for name in names:
            if name in order.widths and hasattr(table.schema.field(name).type, "value_type"):
                columns[name] = _vectors(table[name], order.widths[name])
                continue
            columns[name], used = _values(table[name], room)
            room -= used
        return Decoded(columns, table.num_rows)
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError):
        raise malformed("the body is not a Parquet file that can be read") from None


def _check(footer: Any, limit: int, widths: Mapping[str, int]) -> list[str]:
    """Holds the footer against the bounds; returns the columns of texts."""
    if footer.num_rows > limit:
        raise RequestError(
            "request.too_many_rows",
            f"the request has more than {limit} rows",
            "Send them in several requests",
            413,
        )
    schema = footer.schema
    columns = [schema.column(index) for index in range(len(schema.names))]
    listed = {
        index: name
        for index, column in enumerate(columns)
        if (name := _list_name(column)) in widths
    }
    if any(
        index not in listed and (
            column.max_repetition_level
            or column.path != column.name
            or column.physical_type not in _PLAIN
        )
        for index, column in enumerate(columns)
    ):  # fmt: skip
        raise malformed("the Parquet file has columns that are not plain numbers, texts or times")
    for group in range(footer.num_row_groups):
        for index in range(len(columns)):
            rows, held = footer.row_group(group).num_rows, footer.row_group(group).column(index)
            if index in listed and held.num_values > rows * widths[listed[index]]:
                raise malformed("the Parquet file has lists that are longer than the model takes")
            if footer.row_group(group).column(index).compression not in _COMPRESSIONS:
                raise RequestError(
                    "request.encoding",
                    "this compression of Parquet is not taken",
                    "Write it with compression='snappy' or none",
                    415,
                )
    return [column.name for column in columns if column.physical_type == "BYTE_ARRAY"]


def _list_name(column: Any) -> str:
    """The name of a column of lists of numbers, as the format has it: ``name.list.element``."""
    found = column.max_repetition_level == 1 and column.physical_type in _NUMBERS
    return column.path.rsplit(".", 2)[0] if found else ""


def _vectors(column: pa.ChunkedArray, width: int) -> list[Any]:
    """Lists of numbers; the width is looked at before they are made."""
    import pyarrow.compute as pc

    longest = pc.max(pc.list_value_length(column)).as_py()
    if longest is not None and longest > width:
        raise malformed("the Parquet file has lists that are longer than the model takes")
    rows = column.to_pylist()
    return [row if row is None else list(map(_plain, row)) for row in rows]


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
                "request.too_large",
                "the texts of the Parquet file are too long together",
                "Send fewer rows",
                413,
            )
        values += [None if code is None else texts[code] for code in codes]
    return values, used


def _plain(value: Any) -> Any:
    """A cell as JSON has it: no NaN, no infinity, times as text."""
    if type(value) is float:
        if value != value:
            return None
        if value in (float("inf"), float("-inf")):
            raise malformed("the Parquet file holds infinity")
        return value
    if type(value) is bytes:
        raise malformed("the Parquet file holds bytes that are no text")
    return value.isoformat() if hasattr(value, "isoformat") else value


def malformed(message: str) -> RequestError:
    """The error of a file that cannot be read."""
    return RequestError("request.malformed", message, "Write it as pandas.to_parquet does")


def send(pipe: IO[bytes], message: msgspec.Struct) -> None:
    """Writes one frame."""
    body = msgspec.msgpack.encode(message)
    pipe.write(_LENGTH.pack(len(body)) + body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Reads one frame; None when the other side has gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    body = pipe.read(size)
    return body if len(body) == size else None


def _answer(order: Order) -> Decoded:
    try:
        return decode(order)
    except RequestError as error:
        return Decoded(refused=(error.code, error.message, error.fix, error.status))


def main() -> None:
    """Decodes what comes on standard input until it ends."""
    import resource
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

    assert pq  # imported before memory is bounded
    pa.set_cpu_count(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while (body := receive(sys.stdin.buffer)) is not None:
        send(sys.stdout.buffer, _answer(msgspec.msgpack.decode(body, type=Order)))


if __name__ == "__main__":
    main()
