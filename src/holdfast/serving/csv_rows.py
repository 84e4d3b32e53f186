"""Rows as CSV: a line of column names, unless told otherwise, then one line a row; an empty cell
is null.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from typing import Any

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows

_FLAGS = {"true": True, "false": False}


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError
    return value


def _whole(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else _number(text)


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError from None


_PARSERS: dict[str, Callable[[str], Any]] = {"double": _number, "long": _whole, "boolean": _flag}


def read_csv(body: bytes, converter: Converter, *, header: bool = True) -> Rows:
    """CSV has no types, so cells are read as the signature's types.

    Args:
        body: the text, in UTF-8.
        converter: of the model.
        header: whether the first line names the columns; they are the signature's otherwise.

    Raises:
        RequestError: when it is no CSV, or a cell does not fit; with status 415 when the model
            takes vectors, which no cell can hold.
    """
    if converter.widths:
        raise RequestError(
            "request.media_type",
            f"a cell of CSV cannot hold the vector '{next(iter(converter.widths))}'",
            "Send application/json, application/jsonlines or application/vnd.apache.parquet",
            415,
        )
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        lines = [line for line in reader if line]
    except (UnicodeDecodeError, csv.Error):
        raise RequestError("request.malformed", "the body is not valid CSV", "Use UTF-8") from None
    names = (lines.pop(0) if lines else []) if header else list(converter.names)
    kinds = {field.name: field.type for field in converter.signature.inputs}
    parsers = [_PARSERS.get(kinds.get(name, "string"), str) for name in names]
    rows: list[Any] = []
    for number, line in enumerate(lines):
        try:
            rows.append([parse(cell) if cell else None for parse, cell in zip(parsers, line)])  # noqa: B905
        except ValueError:
            raise RequestError(
                "request.wrong_type",
                f"row {number} has a cell that is not of its column's type",
                "Send the types of the model's signature",
            ) from None
    return converter.table(names, rows)
