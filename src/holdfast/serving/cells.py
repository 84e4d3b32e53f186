"""The values of one column, checked strictly and made into an array.

A cell is valid or refused; nothing is guessed. JSON has one kind of number, so ``1`` is a double
and ``1.0`` is a long, but ``1.5`` is no long, ``true`` no number and ``"1"`` no number.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.bundle import vectors
from holdfast.bundle.columns import Column, to_values
from holdfast.errors import RequestError
from holdfast.records import Field

_NULL = type(None)
_FEW = 4
_EXACT = 2**53  # largest magnitude below which every integer is a float64
_WANTED = {
    "double": "a number",
    "long": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "datetime": "an ISO 8601 date and time",
}
_FOUND = {str: "text", bool: "true or false", _NULL: "null", list: "a list", dict: "an object"}


class Cells(NamedTuple):
    """One column: ``array`` for the model, of vectors (n, width); ``values`` for the record (plain,
    null is None).
    """

    array: Column
    values: list[Any]


Build = Callable[[Sequence[Any]], Cells]


def builder(field: Field) -> Build:
    """Compiles the check of one column.

    Returns:
        A function from the values of the column, as JSON gives them, to :class:`Cells`; it raises
        :class:`~holdfast.errors.RequestError`, which never repeats a value.

    >>> builder(Field(name="age", type="double"))([1, None]).values
    [1.0, None]
    """
    if field.type == "vector":
        return _vector_builder(field)
    make, plain = _MAKERS[field.type]
    allowed = plain | {_NULL} if field.nullable else plain

    def build(values: Sequence[Any]) -> Cells:
        kinds = set(map(type, values))
        if not kinds <= allowed:
            raise _refused(field, values, allowed)
        try:
            return make(values, kinds)
        except (ValueError, OverflowError):
            raise _out_of_range(field) from None

    return build


def _vector_builder(field: Field) -> Build:
    """A list of nothing but nulls is null, as a tensor writes it; any other null is refused."""
    allowed: frozenset[type] = frozenset({list, _NULL} if field.nullable else {list})
    numbers, width = _MAKERS["double"][1], field.width
    null = [np.nan] * width

    def build(values: Sequence[Any]) -> Cells:
        if not set(map(type, values)) <= allowed:
            raise _refused(field, values, allowed)
        for row, value in enumerate(values):
            if value is not None and len(value) != width:
                raise _wrong_width(field, row, len(value))
        if field.nullable:
            values = [None if _is_null(value) else value for value in values]
        lists = [value for value in values if value is not None]
        kinds = set(map(type, chain.from_iterable(lists)))
        if not kinds <= numbers:
            raise _no_numbers(field, kinds - numbers)
        try:
            array = np.array([null if value is None else value for value in values], np.float64)
        except OverflowError:
            raise _out_of_range(field) from None
        return Cells(array, vectors.plain(array))

    return build


def _is_null(value: list[Any] | None) -> bool:
    return value is None or (value[0] is None and value.count(None) == len(value))


Block = NDArray[np.float64]


def number_block(*, nullable: bool) -> Callable[[Sequence[Sequence[Any]]], Block | None]:
    """Compiles the check of all columns of doubles at once, which is far cheaper than one by one.

    Args:
        nullable: whether every one of the columns may be null.

    Returns:
        A function from rows to their numbers, null as NaN; ``None`` when the columns must be looked
        at one by one to say what is wrong.
    """
    allowed: frozenset[type] = _MAKERS["double"][1] | ({_NULL} if nullable else set())

    def build(rows: Sequence[Sequence[Any]]) -> Block | None:
        if not set(map(type, chain.from_iterable(rows))) <= allowed:
            return None
        try:
            return np.array(rows, dtype=np.float64)
        except OverflowError:
            return None

    return build


def packed(rows: Sequence[Sequence[float | None]], width: int) -> Block:
    """Rows of nothing but floats and nulls as one array, null as NaN.

    >>> packed([(1.5, None)], 2)
    array([[1.5, nan]])
    """
    if len(rows) > _FEW:  # half the time that NumPy takes, which looks at each row for its shape
        with contextlib.suppress(struct.error):  # a null
            data = bytearray(8 * width * len(rows))  # unlike bytes, an array that can be written to
            struct.pack_into(f"{width * len(rows)}d", data, 0, *chain.from_iterable(rows))
            return np.frombuffer(data).reshape(-1, width)
    return np.array(rows, dtype=np.float64)


def _doubles(values: Sequence[Any], kinds: set[type]) -> Cells:
    array = np.array(values, dtype=np.float64)
    if _NULL in kinds:
        return Cells(array, [None if value is None else float(value) for value in values])
    return Cells(array, array.tolist() if int in kinds else list(values))


def _longs(values: Sequence[Any], kinds: set[type]) -> Cells:
    plain = [_whole(value) for value in values] if float in kinds else list(values)
    if _NULL not in kinds:
        return Cells(np.array(plain, dtype=np.int64), plain)
    if any(value is not None and not -(2**63) <= value < 2**63 for value in plain):
        raise ValueError
    return Cells(np.array(plain, dtype=np.float64), plain)


def _whole(value: Any) -> int | None:
    if type(value) is not float:
        whole: int | None = value
        return whole
    if not value.is_integer() or abs(value) > _EXACT:
        raise ValueError
    return int(value)


def _booleans(values: Sequence[Any], kinds: set[type]) -> Cells:
    kind = np.float64 if _NULL in kinds else np.bool_
    return Cells(np.array(values, dtype=kind), list(values))


def _strings(values: Sequence[Any], _: set[type]) -> Cells:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return Cells(array, list(values))


def _datetimes(values: Sequence[Any], _: set[type]) -> Cells:
    array = np.array([_moment(value) for value in values], dtype="datetime64[us]")
    return Cells(array, to_values({"": array})[""])


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


_MAKERS: dict[str, tuple[Callable[[Sequence[Any], set[type]], Cells], frozenset[type]]] = {
    "double": (_doubles, frozenset({float, int})),
    "long": (_longs, frozenset({int, float})),
    "boolean": (_booleans, frozenset({bool})),
    "string": (_strings, frozenset({str})),
    "datetime": (_datetimes, frozenset({str})),
}


def _refused(field: Field, values: Sequence[Any], allowed: frozenset[type]) -> RequestError:
    row = next(index for index, value in enumerate(values) if type(value) not in allowed)
    found = _FOUND.get(type(values[row]), "a number")
    return RequestError(
        "request.wrong_type",
        f"column '{field.name}' must be {_wanted(field)}, but row {row} holds {found}",
        "Send the types of the model's signature",
    )


def _wrong_width(field: Field, row: int, width: int) -> RequestError:
    return RequestError(
        "request.wrong_width",
        f"column '{field.name}' must be {_wanted(field)}, but row {row} has {width} of them",
        "Send as many numbers as the model was trained on",
    )


def _no_numbers(field: Field, kinds: set[type]) -> RequestError:
    found = next((_FOUND[kind] for kind in _FOUND if kind in kinds), "something else")
    return RequestError(
        "request.wrong_type",
        f"column '{field.name}' must be {_wanted(field)}, but a list in it holds {found}",
        "Send numbers only; a vector is null as a whole, or not at all",
    )


def _out_of_range(field: Field) -> RequestError:
    return RequestError(
        "request.wrong_value",
        f"column '{field.name}' must be {_wanted(field)}, but holds a value that is not",
        "Send values within the range of the type",
    )


def _wanted(field: Field) -> str:
    wanted = _WANTED.get(field.type) or f"a list of {field.width} numbers"
    return wanted + (" or null" if field.nullable else "")
