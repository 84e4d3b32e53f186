"""A dataset version: an immutable, content-addressed manifest of the data a run saw."""

from __future__ import annotations

from holdfast.records.base import Record, Time
from holdfast.records.signature import Field


class DataFile(Record, frozen=True, kw_only=True):
    """One Parquet file in the blob store, named by its content."""

    sha256: str
    size: int
    rows: int


class DatasetVersion(Record, frozen=True, kw_only=True):
    """The manifest. ``id`` is ``sha256:…`` of files and schema: same content, same id.

    Args:
        id: content address; does not depend on ``source`` or ``created_at``.
        source: what the spec named as source, for people.
        start: earliest value of the time column.
        end: latest value of the time column.
    """

    id: str
    model: str
    source: str
    files: tuple[DataFile, ...]
    schema: tuple[Field, ...]
    rows: int
    start: Time
    end: Time
    created_at: Time


class ColumnContract(Record, frozen=True, kw_only=True):
    """What one column looked like in the reference; the unit of the data contract."""

    name: str
    type: str
    null_share: float
    constant: bool
    low: float | None = None
    high: float | None = None
    median: float | None = None
    categories: tuple[str, ...] = ()


class Contract(Record, frozen=True, kw_only=True):
    """The data contract: learned from a reference, checked on every newer version."""

    columns: tuple[ColumnContract, ...]
    rows: int
    time_column: str
    id_column: str | None = None


class Breach(Record, frozen=True, kw_only=True):
    """One broken clause. A hard breach blocks retraining; a soft one is reported."""

    column: str
    rule: str
    hard: bool
    sentence: str
