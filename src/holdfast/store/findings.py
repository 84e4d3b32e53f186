"""Findings of the monitor."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select

from holdfast.records import Finding
from holdfast.store.rows import first, put_once, several
from holdfast.store.tables import findings


class Findings:
    """What was established; finding it twice is finding it once."""

    def add(self, tx: Connection, finding: Finding) -> bool:
        """Writes a finding unless its id is known; says whether it did."""
        return put_once(
            tx,
            findings,
            finding,
            id=finding.id,
            model=finding.model,
            version=finding.version,
            at=finding.at,
            kind=finding.kind,
        )

    def find(self, tx: Connection, finding_id: str) -> Finding | None:
        """One finding, or None."""
        return first(tx, Finding, select(findings.c.record).where(findings.c.id == finding_id))

    def list(
        self,
        tx: Connection,
        model: str | None = None,
        *,
        version: int | None = None,
        kinds: Collection[str] | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Finding, ...]:
        """Newest first."""
        query = select(findings.c.record).limit(limit)
        if model is not None:
            query = query.where(findings.c.model == model)
        if version is not None:
            query = query.where(findings.c.version == version)
        if kinds is not None:
            query = query.where(findings.c.kind.in_(kinds))
        if since is not None:
            query = query.where(findings.c.at >= since)
        return several(tx, Finding, query.order_by(findings.c.at.desc(), findings.c.id.desc()))
