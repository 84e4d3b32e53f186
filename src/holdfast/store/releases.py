"""Releases: versions on their way to the users."""

from __future__ import annotations

from sqlalchemy import Connection, select

from holdfast.errors import ConflictError, NotFoundError
from holdfast.records import Release, ReleaseState
from holdfast.store.rows import first, put, several
from holdfast.store.tables import MOVING, releases

_ACTIVE = tuple(state.value for state in ReleaseState if not state.ended)


class Releases:
    """A model has at most one release that is pending, in shadow or a canary; older ones of it
    may still be watched.
    """

    def save(self, tx: Connection, release: Release) -> None:
        """Writes a release in its present state.

        Raises:
            ConflictError: when it had already ended in another state, or another one is moving.
        """
        stored = self._find(tx, release.id)
        if stored is not None and stored.state.ended and stored.state != release.state:
            raise ConflictError(
                "release.ended",
                f"release {release.id} has ended as {stored.state}",
                "Start another release.",
            )
        other = self.moving(tx, release.model)
        if release.state in MOVING and other is not None and other.id != release.id:
            raise ConflictError(
                "release.in_progress",
                f"release {other.id} of version {other.version} is {other.state}",
                "Wait until it ends, or stop it with 'holdfast rollback'.",
            )
        put(
            tx,
            releases,
            release,
            id=release.id,
            model=release.model,
            version=release.version,
            state=release.state.value,
            started_at=release.started_at,
        )

    def get(self, tx: Connection, release_id: str) -> Release:
        """One release.

        Raises:
            NotFoundError: when there is none of that id.
        """
        release = self._find(tx, release_id)
        if release is None:
            raise NotFoundError("release.unknown", f"there is no release '{release_id}'")
        return release

    def moving(self, tx: Connection, model: str) -> Release | None:
        """The release that is pending, in shadow or a canary."""
        mine = (releases.c.model == model) & releases.c.state.in_(MOVING)
        return first(tx, Release, select(releases.c.record).where(mine))

    def active(self, tx: Connection, model: str | None = None) -> tuple[Release, ...]:
        """All that have not ended, watched ones included; oldest first."""
        query = select(releases.c.record).where(releases.c.state.in_(_ACTIVE))
        if model is not None:
            query = query.where(releases.c.model == model)
        return several(tx, Release, query.order_by(releases.c.started_at, releases.c.id))

    def states(self, tx: Connection) -> tuple[tuple[str, ReleaseState], ...]:
        """Model and state of all that have not ended."""
        query = select(releases.c.model, releases.c.state).where(releases.c.state.in_(_ACTIVE))
        return tuple((row.model, ReleaseState(row.state)) for row in tx.execute(query))

    def list(self, tx: Connection, model: str, limit: int = 100) -> tuple[Release, ...]:
        """Newest first."""
        query = select(releases.c.record).where(releases.c.model == model).limit(limit)
        return several(tx, Release, query.order_by(releases.c.started_at.desc(), releases.c.id))

    def _find(self, tx: Connection, release_id: str) -> Release | None:
        return first(tx, Release, select(releases.c.record).where(releases.c.id == release_id))
