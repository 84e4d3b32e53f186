"""Servers: what each says it does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select

from holdfast.records import ServerReport
from holdfast.store.rows import first, put, several
from holdfast.store.tables import servers


class Servers:
    """The last report of each server."""

    def report(self, tx: Connection, report: ServerReport) -> None:
        """Writes a report; one that was overtaken by a newer is dropped."""
        mine = select(servers.c.record).where(servers.c.server == report.server)
        stored = first(tx, ServerReport, mine)
        if stored is None or stored.at <= report.at:
            put(tx, servers, report, server=report.server, at=report.at)

    def list(self, tx: Connection, since: datetime | None = None) -> tuple[ServerReport, ...]:
        """Servers heard of since then, by name."""
        query = select(servers.c.record).order_by(servers.c.server)
        if since is not None:
            query = query.where(servers.c.at >= since)
        return several(tx, ServerReport, query)

    def behind(
        self, tx: Connection, model: str, epoch: int, since: datetime
    ) -> tuple[ServerReport, ...]:
        """Servers heard of since then that serve the model, but not yet that epoch."""
        return tuple(
            report
            for report in self.list(tx, since)
            if model in report.epochs and report.epochs[model] < epoch
        )

    def forget(self, tx: Connection, server: str) -> None:
        """Drops a server that was shut down."""
        tx.execute(delete(servers).where(servers.c.server == server))
