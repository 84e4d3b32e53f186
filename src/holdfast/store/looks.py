"""Looks: what the monitor saw last of each version, for the dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from holdfast.store.tables import looks


class LookTime(NamedTuple):
    """When a version was looked at last, in one of the times it was live."""

    model: str
    version: int
    since: datetime
    at: datetime


class Looks:
    """The last look at each version for each time it was live, as JSON that monitoring wrote.

    A version that went live twice, after a rollback, was seen twice: ``since`` tells them apart.
    """

    def save(
        self, tx: Connection, model: str, version: int, since: datetime, at: datetime, data: bytes
    ) -> None:
        """Writes a look in place of the one before.

        Args:
            tx: the transaction.
            model: whose predictions were looked at.
            version: its number.
            since: when the version went live.
            at: now.
            data: JSON.
        """
        values = {"at": at, "record": data.decode()}
        key = (looks.c.model == model) & (looks.c.version == version) & (looks.c.since == since)
        if tx.execute(update(looks).where(key).values(values)).rowcount == 0:
            tx.execute(insert(looks).values(model=model, version=version, since=since, **values))

    def latest(self, tx: Connection, model: str) -> bytes | None:
        """The JSON of the look at the version that went live last."""
        query = select(looks.c.record).where(looks.c.model == model)
        text = tx.execute(query.order_by(looks.c.since.desc()).limit(1)).scalar()
        return None if text is None else text.encode()

    def find(self, tx: Connection, model: str, version: int, since: datetime) -> bytes | None:
        """The JSON of one look, or None."""
        key = (looks.c.model == model) & (looks.c.version == version) & (looks.c.since == since)
        text = tx.execute(select(looks.c.record).where(key)).scalar()
        return None if text is None else text.encode()

    def history(self, tx: Connection, model: str) -> tuple[bytes, ...]:
        """The JSON of every look that is kept, in the order in which versions went live."""
        query = select(looks.c.record).where(looks.c.model == model).order_by(looks.c.since)
        return tuple(text.encode() for text in tx.execute(query).scalars())

    def times(self, tx: Connection) -> tuple[LookTime, ...]:
        """When each was written: who remembers this notices every new look."""
        query = select(looks.c.model, looks.c.version, looks.c.since, looks.c.at)
        rows = tx.execute(query.order_by(looks.c.model, looks.c.since, looks.c.version))
        return tuple(LookTime(*row) for row in rows)
