"""Rows as JSON lines, one object or list a line, and answers as such."""

from __future__ import annotations

import msgspec

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.payload import read_instances

_decode_lines = msgspec.json.Decoder().decode_lines


def read_lines(body: bytes, converter: Converter) -> Rows:
    """Rows, each on a line of its own; lists are in the order of the signature.

    Raises:
        RequestError: when a line is no JSON, or a cell is wrong.
    """
    try:
        rows = _decode_lines(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RequestError(
            "request.malformed", "the body is not valid JSON lines", "Send one row a line"
        ) from None
    return read_instances(rows, converter)
