"""Looks: what the monitor saw last, for the dashboard."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from holdfast.store.tables import looks


class Looks:
    """The latest look at each model, as the JSON that monitoring wrote."""

    def save(self, tx: Connection, model: str, at: datetime, data: bytes) -> None:
        """Writes a look in place of the one before."""
        values = {"at": at, "record": data.decode()}
        if tx.execute(update(looks).where(looks.c.model == model).values(values)).rowcount == 0:
            tx.execute(insert(looks).values(model=model, **values))

    def latest(self, tx: Connection, model: str) -> bytes | None:
        """The JSON of the latest look."""
        text = tx.execute(select(looks.c.record).where(looks.c.model == model)).scalar()
        return None if text is None else text.encode()
