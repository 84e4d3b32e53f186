"""Tensors of the Open Inference Protocol: as JSON, and as bytes after the JSON.

A column is a tensor of shape ``[n]`` or ``[n, 1]``, flat and row-major either way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import RequestError

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


class Tensor(NamedTuple):
    """One input: its name, datatype, number of rows and plain values."""

    name: str
    datatype: str
    rows: int
    values: Sequence[Any]


class Result(NamedTuple):
    """One output."""

    name: str
    datatype: str
    values: NDArray[Any]


def read_tensors(given: Any, binary: bytes, limit: int) -> list[Tensor]:
    """The inputs of a request.

    Args:
        given: ``inputs`` as JSON gave them.
        binary: the bytes after the JSON; empty without the binary extension.
        limit: most rows.

    Raises:
        RequestError: when shapes, datatypes, sizes and values do not fit together.
    """
    if type(given) is not list or not given:
        raise _wrong("inputs must be a list of tensors")
    tensors, offset = [], 0
    for position, item in enumerate(given):
        if type(item) is not dict:
            raise _wrong("every input must be an object")
        tensor, offset = _read_one(item, f"input {position}", binary, offset, limit)
        tensors.append(tensor)
    if offset != len(binary):
        raise _wrong("the binary_data_size of the inputs do not add up to the body")
    return tensors


def _read_one(
    item: dict[str, Any], where: str, binary: bytes, offset: int, limit: int
) -> tuple[Tensor, int]:
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if type(name) is not str or type(datatype) is not str or datatype not in ELEMENTS:
        raise _wrong(f"{where} needs a name and a known datatype")
    rows = _rows(shape, where, limit)
    parameters = item.get("parameters") or {}
    size = parameters.get("binary_data_size") if type(parameters) is dict else None
    if size is None:
        values = _flat(item.get("data"), rows, where)
        if not set(map(type, values)) <= ELEMENTS[datatype]:
            raise _wrong(f"{where} holds values that are not {datatype}")
        return Tensor(name, datatype, rows, values), offset
    if type(size) is not int or not 0 <= size <= len(binary) - offset or "data" in item:
        raise _wrong(f"{where} has a binary_data_size that does not fit the body")
    raw = binary[offset : offset + size]
    return Tensor(name, datatype, rows, _unpack(raw, datatype, rows, where)), offset + size


def _rows(shape: Any, where: str, limit: int) -> int:
    """Checked before anything is allocated."""
    if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
        raise _wrong(f"{where} needs a shape of whole numbers")
    if len(shape) not in (1, 2) or prod(shape[1:]) != 1:
        raise _wrong(f"{where} must have the shape [n] or [n, 1]")
    if shape[0] > limit:
        raise RequestError(
            "request.too_many_rows",
            f"the request has more than {limit} rows",
            "Send them in several requests",
            413,
        )
    rows: int = shape[0]
    return rows


def _flat(data: Any, rows: int, where: str) -> list[Any]:
    if type(data) is not list:
        raise _wrong(f"{where} needs data, a list")
    if data and all(type(value) is list and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if len(data) != rows:
        raise _wrong(f"{where} has data that does not fit its shape")
    flat: list[Any] = data
    return flat


def _unpack(raw: bytes, datatype: str, rows: int, where: str) -> list[Any]:
    if datatype == "BYTES":
        return _unpack_texts(raw, rows, where)
    kind = _BINARY[datatype]
    if len(raw) != rows * kind.itemsize:
        raise _wrong(f"{where} has a binary_data_size that does not fit its shape")
    array = np.frombuffer(raw, dtype=kind)
    if kind.kind != "f":
        values: list[Any] = array.tolist()
        return values
    if np.isinf(array).any():
        raise _wrong(f"{where} holds infinity")
    return [None if value != value else value for value in array.tolist()]


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
        raise _wrong(f"{where} has BYTES that are cut off or not UTF-8")
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
    raw = _PACKERS.get(result.datatype, _pack_numbers)(result)
    head = {
        "name": result.name,
        "datatype": result.datatype,
        "shape": list(result.values.shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    return head, raw


def _pack_numbers(result: Result) -> bytes:
    return result.values.astype(_BINARY[result.datatype]).tobytes()


def _pack_texts(result: Result) -> bytes:
    texts = [str(value).encode() for value in result.values.tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


_PACKERS: dict[str, Callable[[Result], bytes]] = {"BYTES": _pack_texts}


def _wrong(message: str) -> RequestError:
    return RequestError("request.wrong_tensor", message, "See /docs for examples")
