"""Decisions about findings."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select

from holdfast.records import Decision
from holdfast.store.rows import first, put_once, several
from holdfast.store.tables import decisions


class Decisions:
    """What was decided; deciding it twice is deciding it once."""

    def add(self, tx: Connection, decision: Decision) -> bool:
        """Writes a decision unless its id is known; says whether it did."""
        return put_once(
            tx,
            decisions,
            decision,
            id=decision.id,
            model=decision.model,
            at=decision.at,
            action=decision.action,
        )

    def find(self, tx: Connection, decision_id: str) -> Decision | None:
        """One decision, or None."""
        return first(tx, Decision, select(decisions.c.record).where(decisions.c.id == decision_id))

    def list(
        self,
        tx: Connection,
        model: str | None = None,
        *,
        actions: Collection[str] | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Decision, ...]:
        """Newest first."""
        query = select(decisions.c.record).limit(limit)
        if model is not None:
            query = query.where(decisions.c.model == model)
        if actions is not None:
            query = query.where(decisions.c.action.in_(actions))
        if since is not None:
            query = query.where(decisions.c.at >= since)
        return several(tx, Decision, query.order_by(decisions.c.at.desc(), decisions.c.id.desc()))
