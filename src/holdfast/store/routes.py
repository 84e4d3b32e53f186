"""Routes: what the servers must do, and did at any time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Select, func, select, tuple_

from holdfast.errors import ConflictError
from holdfast.records import Route
from holdfast.store.rows import first, put_once, several
from holdfast.store.tables import routes


class Routes:
    """Every route there ever was; the one with the highest epoch holds."""

    def current(self, tx: Connection, model: str) -> Route | None:
        """The route that holds now; None before the first."""
        return first(tx, Route, _of(model))

    def all_current(self, tx: Connection) -> tuple[Route, ...]:
        """The present route of every model that has one, by name."""
        newest = select(routes.c.model, func.max(routes.c.epoch)).group_by(routes.c.model)
        key = tuple_(routes.c.model, routes.c.epoch)
        query = select(routes.c.record).where(key.in_(newest)).order_by(routes.c.model)
        return several(tx, Route, query)

    def change(self, tx: Connection, route: Route) -> None:
        """Writes the next route.

        Raises:
            ConflictError: when its epoch is not the present one plus one; someone was faster.
        """
        present = self.current(tx, route.model)
        epoch = present.epoch if present else 0
        if route.epoch != epoch + 1:
            raise ConflictError(
                "route.epoch",
                f"the route of '{route.model}' is at epoch {epoch}; {route.epoch} cannot follow",
                "Read the present route and decide again.",
            )
        put_once(
            tx,
            routes,
            route,
            model=route.model,
            epoch=route.epoch,
            created_at=route.created_at,
        )

    def at(self, tx: Connection, model: str, time: datetime) -> Route | None:
        """The route that held at that time; None before the first.

        Should a clock have gone backwards, the higher epoch counts.
        """
        return first(tx, Route, _of(model).where(routes.c.created_at <= time))

    def history(self, tx: Connection, model: str, limit: int = 100) -> tuple[Route, ...]:
        """Newest first."""
        return several(tx, Route, _of(model).limit(limit))


def _of(model: str) -> Select[str]:
    query: Select[str] = select(routes.c.record).where(routes.c.model == model)
    return query.order_by(routes.c.epoch.desc())
