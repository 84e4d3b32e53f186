"""Verdicts of the gate."""

from __future__ import annotations

from sqlalchemy import Connection, Select, select

from holdfast.records import Verdict
from holdfast.store.rows import first, put_once, several
from holdfast.store.tables import verdicts


class Verdicts:
    """What the gate said; written once, never changed."""

    def add(self, tx: Connection, verdict: Verdict) -> bool:
        """Writes a verdict unless its id is known; says whether it did."""
        return put_once(
            tx,
            verdicts,
            verdict,
            id=verdict.id,
            model=verdict.model,
            version=verdict.version,
            created_at=verdict.created_at,
        )

    def find(self, tx: Connection, verdict_id: str) -> Verdict | None:
        """One verdict, or None."""
        return first(tx, Verdict, select(verdicts.c.record).where(verdicts.c.id == verdict_id))

    def latest(self, tx: Connection, model: str, version: int) -> Verdict | None:
        """The newest verdict on a version."""
        return first(tx, Verdict, _of(model).where(verdicts.c.version == version))

    def list(self, tx: Connection, model: str, limit: int = 100) -> tuple[Verdict, ...]:
        """Newest first."""
        return several(tx, Verdict, _of(model).limit(limit))


def _of(model: str) -> Select[str]:
    query: Select[str] = select(verdicts.c.record).where(verdicts.c.model == model)
    return query.order_by(verdicts.c.created_at.desc(), verdicts.c.id.desc())
