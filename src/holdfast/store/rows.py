"""Records in and out of tables; shared by all repositories.

"Look, then write" is safe here because :meth:`Database.begin` lets in one writer at a time.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, and_, insert, select, update

from holdfast.records import Record

R = TypeVar("R", bound=Record)


def first(tx: Connection, kind: type[R], query: Select[str]) -> R | None:
    """The record of the first row, or None."""
    text = tx.execute(query.limit(1)).scalar_one_or_none()
    return None if text is None else kind.from_json(text)


def several(tx: Connection, kind: type[R], query: Select[str]) -> tuple[R, ...]:
    """The records of all rows."""
    return tuple(kind.from_json(text) for text in tx.execute(query).scalars())


def put(tx: Connection, table: Table, record: Record, **columns: Any) -> None:
    """Writes a record, in place of one with the same primary key."""
    values = {**columns, "record": record.to_json().decode()}
    key = and_(*(column == values[column.name] for column in table.primary_key))
    if tx.execute(update(table).where(key).values(values)).rowcount == 0:
        tx.execute(insert(table).values(values))


def put_once(tx: Connection, table: Table, record: Record, **columns: Any) -> bool:
    """Writes a record unless one with the same primary key is there; says whether it did."""
    key = and_(*(column == columns[column.name] for column in table.primary_key))
    if tx.execute(select(table.c.record).where(key)).first() is not None:
        return False
    tx.execute(insert(table).values(**columns, record=record.to_json().decode()))
    return True
