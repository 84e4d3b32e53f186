"""A dataset version: an immutable, content-addressed manifest of the data a run saw."""

from __future__ import annotations

from holdfast.records.base import Record, Time
from holdfast.records.signature import Field
from holdfast.records.spell import Spell


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
        left_out: times whose rows the source had and this has not, since inputs were broken then.
        sources: names of the files it was read from, where the source is local files.
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
    left_out: tuple[Spell, ...] = ()
    sources: tuple[str, ...] = ()


class ColumnContract(Record, frozen=True, kw_only=True):
    """What one column looked like in the reference; the unit of the data contract.

    Args:
        name: the column.
        type: a :data:`~holdfast.records.ColumnType`.
        null_share: share of nulls, and ``null_day`` the largest of any one day.
        constant: whether it had one value only.
        low: smallest number; ``high`` the largest, ``median`` the middle one.
        categories: values of a text column; empty when there were too many.
        label: whether it is the label, which newer rows may not have yet.
        quantiles: at 5, 25, 50, 75 and 95 % of the numbers that are not zero.
        run_rows: most rows in a row, by time, that had one value; ``run_seconds`` how long.
        jump: largest change of the daily median from one day to the next; ``jump_ratio`` the
            largest |log ratio|, for medians above zero.
        last: median of the newest day.
        width: numbers in a vector; 0 for every other type.
    """

    name: str
    type: str
    null_share: float
    constant: bool
    low: float | None = None
    high: float | None = None
    median: float | None = None
    categories: tuple[str, ...] = ()
    label: bool = False
    null_day: float = 0.0
    quantiles: tuple[float, ...] = ()
    run_rows: int = 0
    run_seconds: float = 0.0
    jump: float | None = None
    jump_ratio: float | None = None
    last: float | None = None
    width: int = 0


class Contract(Record, frozen=True, kw_only=True):
    """The data contract: learned from a reference, checked on every newer version.

    Args:
        start: earliest time of the reference; ``end`` the latest.
    """

    columns: tuple[ColumnContract, ...]
    rows: int
    time_column: str
    id_column: str | None = None
    start: Time | None = None
    end: Time | None = None


class Breach(Record, frozen=True, kw_only=True):
    """One broken clause. A hard breach blocks retraining; a soft one is reported."""

    column: str
    rule: str
    hard: bool
    sentence: str
