"""Tensors of the Open Inference Protocol: as JSON, and as bytes after the JSON.

A column is a tensor of shape ``[n]`` or ``[n, 1]``, of vectors ``[n, width]``; flat and row-major
either way.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import RequestError

UNSUPPORTED = frozenset(
    {"classification", "sequence_id", "shared_memory_region"}
)  # parameters that would change the meaning of an answer; others are hints

_NULL = type(None)
_WHOLE: frozenset[type] = frozenset({int, _NULL})
_REAL: frozenset[type] = frozenset({float, int, _NULL})
ELEMENTS: dict[str, frozenset[type]] = {
    "BOOL": frozenset({bool, _NULL}),
    "BYTES": frozenset({str, _NULL}),
    **{f"{sign}INT{bits}": _WHOLE for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": _REAL for bits in (16, 32, 64)},
}
_BINARY = {
    "BOOL": np.dtype("?"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}


_RANGES = {
    f"{sign}INT{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
_BOOLEANS = (0, 1)


class Tensor(NamedTuple):
    """One input: its name, datatype, number of rows and plain values, row after row."""

    name: str
    datatype: str
    rows: int
    values: Sequence[Any]


class Result(NamedTuple):
    """One output."""

    name: str
    datatype: str
    values: NDArray[Any]


def read_tensors(given: Any, binary: bytes, limit: int, widths: Mapping[str, int]) -> list[Tensor]:
    """The inputs of a request.

    Args:
        given: ``inputs`` as JSON gave them.
        binary: the bytes after the JSON; empty without the binary extension.
        limit: most rows.
        widths: of the columns of vectors.

    Raises:
        RequestError: when shapes, datatypes, sizes and values do not fit together.
    """
    if type(given) is not list or not given:
        raise wrong("inputs must be a list of tensors")
    tensors, offset = [], 0
    for position, item in enumerate(given):
        if type(item) is not dict:
            raise wrong("every input must be an object")
        tensor, offset = _read_one(item, f"input {position}", binary, offset, limit, widths)
        tensors.append(tensor)
    if offset != len(binary):
        raise wrong("the binary_data_size of the inputs do not add up to the body")
    return tensors


def _read_one(
    item: dict[str, Any],
    where: str,
    binary: bytes,
    offset: int,
    limit: int,
    widths: Mapping[str, int],
) -> tuple[Tensor, int]:
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if type(name) is not str or type(datatype) is not str or datatype not in ELEMENTS:
        raise wrong(f"{where} needs a name and a known datatype")
    width = widths.get(name, 1)
    rows = rows_of(shape, where, limit, width)
    size = check_parameters(item.get("parameters")).get("binary_data_size")
    if size is None:
        values = fit(_flat(item.get("data"), rows, width, where), datatype, where)
        return Tensor(name, datatype, rows, values), offset
    if type(size) is not int or not 0 <= size <= len(binary) - offset or "data" in item:
        raise wrong(f"{where} has a binary_data_size that does not fit the body")
    raw = binary[offset : offset + size]
    return Tensor(name, datatype, rows, unpack(raw, datatype, rows * width, where)), offset + size


def check_parameters(parameters: Any) -> dict[str, Any]:
    """The parameters of a request, an input or an output.

    Raises:
        RequestError: when they are no object, or ask for what this server does not do.
    """
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise wrong("parameters must be an object")
    if not UNSUPPORTED.isdisjoint(parameters):
        raise wrong("this server has no sequences, shared memory or classification extension")
    return parameters


def rows_of(shape: Any, where: str, limit: int, width: int = 1) -> int:
    """The number of rows of a shape, checked before anything is allocated.

    Args:
        shape: as it was sent.
        where: names the input.
        limit: most rows.
        width: of the vectors, if the column is of such.

    Raises:
        RequestError: when it is no column of that width, or has too many rows.
    """
    if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
        raise wrong(f"{where} needs a shape of whole numbers")
    if len(shape) not in (1, 2) or prod(shape[1:]) != width:
        wanted = "[n] or [n, 1]" if width == 1 else f"[n, {width}]"
        raise wrong(f"{where} must have the shape {wanted}")
    if shape[0] > limit:
        raise RequestError(
            "request.too_many_rows",
            f"the request has more than {limit} rows",
            "Send them in several requests",
            413,
        )
    rows: int = shape[0]
    return rows


def _flat(data: Any, rows: int, width: int, where: str) -> list[Any]:
    if type(data) is not list:
        raise wrong(f"{where} needs data, a list")
    if data and all(type(value) is list and len(value) == width for value in data):
        data = list(chain.from_iterable(data))
    if len(data) != rows * width:
        raise wrong(f"{where} has data that does not fit its shape")
    flat: list[Any] = data
    return flat


def fit(values: list[Any], datatype: str, where: str) -> list[Any]:
    """Values as JSON or a message gives them, made what their datatype can hold, so that they mean
    the same as the same tensor in bytes; null stays ``None``.

    Raises:
        RequestError: when one is of another type or out of range.

    >>> fit([0.1, None], "FP32", "input 0")
    [0.10000000149011612, None]
    """
    kinds = set(map(type, values))
    if not kinds <= ELEMENTS[datatype]:
        raise wrong(f"{where} holds values that are not {datatype}")
    if kinds <= {_NULL}:
        return values
    if datatype in _RANGES:
        low, high = _RANGES[datatype]
        known = [value for value in values if value is not None] if _NULL in kinds else values
        if min(known) < low or max(known) > high:
            raise wrong(f"{where} holds values that are not {datatype}")
    elif datatype.startswith("FP") and (datatype != "FP64" or int in kinds):
        return _floats(values, datatype, where)
    return values


def _floats(values: list[Any], datatype: str, where: str) -> list[Any]:
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=np.float64).astype(_BINARY[datatype])
    except OverflowError:
        raise wrong(f"{where} holds values that are not {datatype}") from None
    return finite(array, where)


def finite(array: NDArray[Any], where: str) -> list[Any]:
    """Floats as plain values; NaN, which JSON does not have, is null.

    Raises:
        RequestError: when one is infinite.
    """
    if np.isinf(array).any():
        raise wrong(f"{where} holds infinity")
    values: list[Any] = array.tolist()
    return [None if value != value else value for value in values]


def vectors(values: Sequence[Any], width: int) -> list[list[Any]]:
    """Values row after row as a list a row.

    >>> vectors([1.0, 2.0, 3.0, 4.0], 2)
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return [list(values[at : at + width]) for at in range(0, len(values), width)]


def unpack(raw: bytes, datatype: str, count: int, where: str) -> list[Any]:
    """The ``count`` values of a tensor in bytes, little-endian.

    Raises:
        RequestError: when the bytes do not fit datatype and count.
    """
    if datatype == "BYTES":
        return _unpack_texts(raw, count, where)
    kind = _BINARY[datatype]
    if len(raw) != count * kind.itemsize:
        raise wrong(f"{where} has a number of bytes that does not fit its shape")
    array = np.frombuffer(raw, dtype=kind)
    if kind.kind == "f":
        return finite(array, where)
    if kind.kind == "b" and not set(raw) <= set(_BOOLEANS):
        raise wrong(f"{where} holds bytes that are neither true nor false")
    values: list[Any] = array.tolist()
    return values


def _unpack_texts(raw: bytes, rows: int, where: str) -> list[str]:
    """Each is four bytes of length, little-endian, then UTF-8."""
    texts, at = [], 0
    try:
        for _ in range(rows):
            (size,) = struct.unpack_from("<I", raw, at)
            text = raw[at + 4 : at + 4 + size]
            if len(text) != size:
                raise ValueError
            texts.append(text.decode())
            at += 4 + size
    except (struct.error, ValueError):
        at = -1
    if at != len(raw):
        raise wrong(f"{where} has BYTES that are cut off or not UTF-8")
    return texts


def write_json(result: Result) -> dict[str, Any]:
    """One output with its data in the JSON, flat."""
    return {
        "name": result.name,
        "datatype": result.datatype,
        "shape": list(result.values.shape),
        "data": result.values.reshape(-1).tolist(),
    }


def write_binary(result: Result) -> tuple[dict[str, Any], bytes]:
    """One output with its data as bytes."""
    raw = pack(result)
    head = {
        "name": result.name,
        "datatype": result.datatype,
        "shape": list(result.values.shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    return head, raw


def pack(result: Result) -> bytes:
    """The values of an output as bytes, row-major and little-endian."""
    if result.datatype != "BYTES":
        return result.values.astype(_BINARY[result.datatype]).tobytes()
    texts = [str(value).encode() for value in result.values.tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def wrong(message: str) -> RequestError:
    """A tensor, or a request of tensors, that cannot be taken."""
    return RequestError("request.wrong_tensor", message, "See /docs for examples")
