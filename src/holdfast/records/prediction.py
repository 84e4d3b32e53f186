"""A prediction as it is written to the spool: one record for one request."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record

Role = Literal["live", "shadow"]


class PredictionBatch(Record, frozen=True, kw_only=True, array_like=True):
    """The rows of one request, answered by one version.

    Args:
        request: request id; a row's prediction id is ``request`` for one row, else
            ``request:index``.
        at: when it was answered, seconds since 1970 UTC.
        role: ``live`` was sent to the caller, ``shadow`` was not.
        columns: input values column by column, in the order of ``names``; none of a column that
            is not recorded.
        ids: the caller's own ids, when the request had them.
        predictions: one value a row; empty when it failed.
        scores: binary: probability of the positive class; multiclass: a list a row; regression:
            empty.
        seconds: time the version took.
        error: short code when the version failed to answer.
        count: number of rows, when there are no columns that tell it.
        inputs: whether the inputs were kept; those of a large request may be sampled away.
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

    @property
    def rows(self) -> int:
        """Number of rows of the request."""
        return len(self.columns[0]) if self.columns else self.count


class Label(Record, frozen=True, kw_only=True):
    """What turned out to be true of one prediction (by its id or the caller's own)."""

    id: str
    label: float | int | bool | str
    at: float
