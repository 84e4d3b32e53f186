"""Rows as callers send them to the one columnar form, through a check compiled per signature."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from holdfast.bundle.columns import Column, Columns, Table
from holdfast.errors import RequestError
from holdfast.records import Signature
from holdfast.serving.cells import Block, Cells, builder, number_block, packed
from holdfast.serving.typed import split_decoder

_LONGEST_ID = 200
_NAMED = 10
_LIST = {list}


class Rows(msgspec.Struct, frozen=True):
    """The rows of one request; the same whichever contract they came by.

    Args:
        count: number of rows, at least 1.
        columns: for the model.
        values: for the record: plain values by column, ``None`` for null; of those columns that do
            not lie in the block of a :class:`~holdfast.bundle.columns.Table`.
        ids: the caller's own ids, when sent.
    """

    count: int
    columns: Columns
    values: dict[str, list[Any]]
    ids: list[str] | None


class Converter:
    """Compiled once per route.

    Args:
        signature: what the model takes.
        limit: most rows of a request.
        also: columns that are accepted and left out: those of the version before, so that callers
            need not change at the moment of a switch.

    Attributes:
        recorded: the columns in the order of a record: doubles first.
        widths: of the columns of vectors; most signatures have none.
    """

    def __init__(
        self, signature: Signature, *, limit: int, also: frozenset[str] = frozenset()
    ) -> None:
        self.signature = signature
        self.limit = limit
        self.names = tuple(field.name for field in signature.inputs)
        doubles = [field for field in signature.inputs if field.type == "double"]
        numbers = [field.name for field in doubles]
        self._numbers = number_block(nullable=all(field.nullable for field in doubles))
        self._decode = split_decoder(signature.inputs)
        self._builders = [(field.name, builder(field)) for field in signature.inputs]
        self._others = [
            (position, name, build)
            for position, (name, build) in enumerate(self._builders)
            if name not in numbers
        ]
        self.order = list(self.names)
        others = tuple(name for _, name, _ in self._others)
        self.recorded = (*numbers, *others)
        self._by_name = picker(self.names)
        self._doubles = tuple(numbers)
        self._by_place = picker([self.order.index(name) for name in numbers])
        self._required = frozenset(self.names)
        self.widths = {field.name: field.width for field in signature.inputs if field.width}
        self._id = signature.id
        self._known = self._required | also | ({signature.id} if signature.id else set())

    def columns(self, given: Mapping[str, Sequence[Any]], count: int) -> Rows:
        """Rows given column by column; each of ``given`` has ``count`` values.

        Raises:
            RequestError: on missing and unknown columns, and on cells of the wrong type.
        """
        self._check_count(count)
        if given.keys() != self._required:
            self._check_names(given.keys())
        if count < 1:
            raise RequestError("request.no_rows", "the request has no rows", "Send at least one")
        ids = _ids(given[self._id]) if self._id is not None and self._id in given else None
        found = self._numbers(list(zip(*(given[name] for name in self._doubles), strict=True)))
        if not self._doubles or found is None:
            arrays: dict[str, Column] = {}
            values: dict[str, list[Any]] = {}
            for name, build in self._builders:
                arrays[name], values[name] = build(given[name])
            return Rows(count, arrays, values, ids)
        others = [(name, build(given[name])) for _, name, build in self._others]
        return self._rows(count, found, others, ids)

    def _ordered(self, data: Sequence[Sequence[Any]], ids: list[str] | None) -> Rows | None:
        """Rows whose cells are in the signature's order; ``None`` when something is wrong with
        them, which :meth:`columns` says.
        """
        if not self._others:
            found = self._numbers(data)
        elif self._doubles:
            found = self._numbers(list(map(self._by_place, data)))
        else:
            return None
        if found is None:
            return None
        return self._beside(found, data, ids)

    def _beside(self, block: Block, data: Sequence[Sequence[Any]], ids: list[str] | None) -> Rows:
        """Rows of which the block of doubles is made already."""
        others = [
            (name, build([row[position] for row in data])) for position, name, build in self._others
        ]
        return self._rows(len(data), block, others, ids)

    def _rows(
        self, count: int, block: Block, others: list[tuple[str, Cells]], ids: list[str] | None
    ) -> Rows:
        arrays = {name: cells.array for name, cells in others}
        values = {name: cells.values for name, cells in others}
        return Rows(count, Table(self._doubles, block, arrays), values, ids)

    def split(self, body: bytes) -> Rows | None:
        """Rows of a ``dataframe_split`` as nearly all callers write it; ``None`` when it is
        anything else, which :meth:`table` and its like tell.

        Raises:
            RequestError: on too many rows, and on cells of the wrong type.
        """
        data = self._decode(body) if self._doubles else None
        if not data:
            return None
        self._check_count(len(data))
        picked = list(map(self._by_place, data)) if self._others else data
        return self._beside(packed(picked, len(self._doubles)), data, None)

    def _same_keys(self, records: Sequence[Any]) -> Rows | None:
        """Rows of objects that have exactly the columns, and perhaps an id."""
        if not records or type(records[0]) is not dict:
            return None
        named = self._id is not None and self._id in records[0]
        width = len(self.names) + named
        for record in records:
            if type(record) is not dict or len(record) != width:
                return None
        try:
            data = list(map(self._by_name, records))
            ids = _ids([record[self._id] for record in records]) if named else None
        except KeyError:
            return None
        return self._ordered(data, ids)

    def records(self, records: Sequence[Any]) -> Rows:
        """Rows given as one object each.

        Raises:
            RequestError: as :meth:`columns`.
        """
        self._check_count(len(records))
        rows = self._same_keys(records)
        if rows is not None:
            return rows
        if not all(type(record) is dict for record in records):
            raise RequestError(
                "request.wrong_form", "every row must be an object", "Send {column: value, …}"
            )
        keys = records[0].keys() if records else self._required
        for record in records:
            if record.keys() != keys:
                self._check_names(record.keys())
                raise RequestError(
                    "request.uneven_rows", "the rows do not have the same columns", "Send all"
                )
        given = {name: [record[name] for record in records] for name in keys}
        return self.columns(given, len(records))

    def table(self, names: Sequence[str], data: Sequence[Any]) -> Rows:
        """Rows given as lists of cells in the order of ``names``.

        Raises:
            RequestError: as :meth:`columns`.
        """
        self._check_count(len(data))
        width = len(names)
        if names != self.order and len(set(names)) != width:
            raise RequestError(
                "request.duplicate_column", "a column is named twice", "Name each once"
            )
        if not set(map(type, data)) <= _LIST or not set(map(len, data)) <= {width}:
            raise RequestError(
                "request.wrong_form",
                f"every row must be a list of {width} values",
                "Send one value for each column",
            )
        if data and names == self.order:
            rows = self._ordered(data, None)
            if rows is not None:
                return rows
        return self.columns(dict(zip(names, zip(*data, strict=True), strict=False)), len(data))

    def positional(self, data: Sequence[Any]) -> Rows:
        """Rows given as lists of cells in the order of the signature.

        Raises:
            RequestError: as :meth:`columns`.
        """
        return self.table(self.order, data)

    def _check_count(self, count: int) -> None:
        if count > self.limit:
            raise RequestError(
                "request.too_many_rows",
                f"the request has {count} rows; {self.limit} is the most",
                "Send them in several requests",
                413,
            )

    def _check_names(self, given: Any) -> None:
        """Names our columns only: what the caller wrote is never repeated."""
        missing = [name for name in self.names if name not in given]
        unknown = next((name for name in given if name not in self._known), None)
        if unknown is not None:
            raise self._unknown(unknown, missing)
        if missing:
            listed = ", ".join(f"'{name}'" for name in missing[:_NAMED])
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            raise RequestError(
                "request.missing_column", f"missing: {listed}{more}", "Send every column"
            )

    def _unknown(self, name: str, missing: Sequence[str]) -> RequestError:
        near = difflib.get_close_matches(name[:100], missing or sorted(self._known), n=1)
        fix = f"Did you mean '{near[0]}'?" if near else "Send the columns of the signature only"
        return RequestError(
            "request.unknown_column", "the request has a column that the model does not take", fix
        )


def picker(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that takes the values at ``keys`` out of a row, however many they are.

    >>> picker(["a"])({"a": 1, "b": 2})
    (1,)
    """
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda row: tuple(row[key] for key in keys)


def _ids(values: Sequence[Any]) -> list[str] | None:
    kinds = set(map(type, values))
    if kinds == {type(None)}:
        return None
    if not kinds <= {str, int}:
        raise RequestError(
            "request.wrong_id", "ids must be text or whole numbers, for every row or none", ""
        )
    ids = [str(value) for value in values]
    if max(map(len, ids)) > _LONGEST_ID or not all(ids):
        raise RequestError(
            "request.wrong_id", f"ids must have 1 to {_LONGEST_ID} characters", "Shorten them"
        )
    return ids
