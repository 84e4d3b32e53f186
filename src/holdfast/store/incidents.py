"""Incidents."""

from __future__ import annotations

from sqlalchemy import Connection, select

from holdfast.errors import NotFoundError
from holdfast.records import Incident
from holdfast.store.rows import first, put, several
from holdfast.store.tables import incidents


class Incidents:
    """The stories of models going wrong."""

    def save(self, tx: Connection, incident: Incident) -> None:
        """Writes an incident in its present state."""
        put(
            tx,
            incidents,
            incident,
            id=incident.id,
            model=incident.model,
            state=incident.state,
            opened_at=incident.opened_at,
        )

    def get(self, tx: Connection, incident_id: str) -> Incident:
        """One incident.

        Raises:
            NotFoundError: when there is none of that id.
        """
        incident = first(
            tx, Incident, select(incidents.c.record).where(incidents.c.id == incident_id)
        )
        if incident is None:
            raise NotFoundError("incident.unknown", f"there is no incident '{incident_id}'")
        return incident

    def list(
        self,
        tx: Connection,
        model: str | None = None,
        *,
        open_only: bool = False,
        limit: int = 100,
    ) -> tuple[Incident, ...]:
        """Newest first."""
        query = select(incidents.c.record).limit(limit)
        if model is not None:
            query = query.where(incidents.c.model == model)
        if open_only:
            query = query.where(incidents.c.state == "open")
        newest = (incidents.c.opened_at.desc(), incidents.c.id.desc())
        return several(tx, Incident, query.order_by(*newest))
