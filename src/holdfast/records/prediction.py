"""A prediction as it is written to the spool: one record for one request."""

from __future__ import annotations

import struct
from typing import Any, Literal

from holdfast.records.base import Record

Role = Literal["live", "shadow"]


class PredictionBatch(Record, frozen=True, kw_only=True, array_like=True):
    """The rows of one request, answered by one version.

    Args:
        request: request id; a row's prediction id is ``request`` for one row, else
            ``request:index``.
        at: when it was answered, seconds since 1970 UTC.
        role: ``live`` was sent to the caller, ``shadow`` was not.
        names: of the inputs that are recorded: those in ``block``, then those in ``columns``.
        columns: input values column by column, in the order of the last of ``names``.
        ids: the caller's own ids, when the request had them.
        predictions: one value a row; empty when it failed.
        scores: binary: probability of the positive class; multiclass: a list a row; regression:
            empty.
        seconds: time the version took.
        error: short code when the version failed to answer.
        count: number of rows, when there are no columns that tell it.
        inputs: whether the inputs were kept; those of a large request may be sampled away.
        block: the inputs of type double, float64 in little-endian order, row by row, in the order
            of the first of ``names``; null is NaN.
    """

    request: str
    model: str
    version: int
    epoch: int
    at: float
    role: Role
    names: tuple[str, ...]
    columns: list[list[float | int | bool | str | list[float] | None]]
    ids: list[str] | None
    predictions: list[float | int | bool | str | None]
    scores: list[float | list[float] | None]
    seconds: float
    error: str = ""
    count: int = 0
    inputs: bool = True
    block: bytes = b""

    @property
    def rows(self) -> int:
        """Number of rows of the request."""
        return len(self.columns[0]) if self.columns else self.count

    @property
    def blocked(self) -> int:
        """How many of ``names`` are columns in ``block``."""
        return len(self.names) - len(self.columns)

    def cells(self) -> dict[str, list[Any]]:
        """Every recorded input as plain values by column, null as None."""
        width, rows = self.blocked, self.rows
        numbers = struct.unpack(f"<{width * rows}d", self.block)
        cells = [None if number != number else number for number in numbers]
        block = [cells[place::width] for place in range(width)]
        return dict(zip(self.names, [*block, *self.columns], strict=True))

    @property
    def sound(self) -> bool:
        """Whether all columns have as many values as there are rows."""
        rows = self.rows
        fits = self.blocked >= 0 and len(self.block) == 8 * self.blocked * rows
        return fits and all(len(one) == rows for one in self.columns)


class Label(Record, frozen=True, kw_only=True):
    """What turned out to be true of one prediction (by its id or the caller's own)."""

    id: str
    label: float | int | bool | str
    at: float
