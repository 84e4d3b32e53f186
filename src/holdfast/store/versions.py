"""Versions: a local copy of what MLflow's registry holds, which stays the truth."""

from __future__ import annotations

from sqlalchemy import Connection, select

from holdfast.errors import NotFoundError
from holdfast.records import Version
from holdfast.store.rows import first, put, several
from holdfast.store.tables import versions


class Versions:
    """Versions at hand without asking MLflow."""

    def save(self, tx: Connection, version: Version) -> None:
        """Writes, or replaces, the copy of one version."""
        put(tx, versions, version, model=version.model, number=version.number)

    def find(self, tx: Connection, model: str, number: int) -> Version | None:
        """One version, or None."""
        key = (versions.c.model == model) & (versions.c.number == number)
        return first(tx, Version, select(versions.c.record).where(key))

    def get(self, tx: Connection, model: str, number: int) -> Version:
        """One version.

        Raises:
            NotFoundError: when there is none of that number.
        """
        version = self.find(tx, model, number)
        if version is None:
            raise NotFoundError(
                "version.unknown",
                f"'{model}' has no version {number}",
                "See 'holdfast versions'.",
            )
        return version

    def list(self, tx: Connection, model: str, limit: int = 100) -> tuple[Version, ...]:
        """Newest first."""
        query = select(versions.c.record).where(versions.c.model == model).limit(limit)
        return several(tx, Version, query.order_by(versions.c.number.desc()))
