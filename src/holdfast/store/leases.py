"""Leases: one leader among several replicas."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from holdfast.errors import ConflictError
from holdfast.store.tables import leases


class Lease(NamedTuple):
    """Who holds a lease, with which fencing token, and until when."""

    owner: str
    token: int
    expires_at: datetime


class Leases:
    """A lease is held until it expires or is given back.

    Its token grows whenever the holder changes. A holder calls :meth:`check` in the transaction
    of each write, so a leader that slept through its own replacement writes nothing. Times come
    from the callers' clocks: a clock that is ahead takes a lease over early, which costs a change
    of leader but, thanks to the token, never two writers.
    """

    def acquire(
        self, tx: Connection, name: str, owner: str, ttl: timedelta, now: datetime
    ) -> int | None:
        """Takes the lease if it is free, expired or already the owner's.

        Args:
            tx: a write transaction.
            name: what is leased.
            owner: unique to the process.
            ttl: how long it is held unless renewed.
            now: aware time.

        Returns:
            The fencing token, or None while another holds it.
        """
        row = tx.execute(select(leases).where(leases.c.name == name)).first()
        expires_at = now + ttl
        if row is None:
            tx.execute(
                insert(leases).values(name=name, owner=owner, token=1, expires_at=expires_at)
            )
            return 1
        held = row.owner is not None and row.expires_at > now
        if held and row.owner != owner:
            return None
        token = int(row.token) if held else int(row.token) + 1
        values = {"owner": owner, "token": token, "expires_at": expires_at}
        tx.execute(update(leases).where(leases.c.name == name).values(values))
        return token

    def renew(self, tx: Connection, name: str, token: int, ttl: timedelta, now: datetime) -> bool:
        """Holds it longer; False when it was lost, even if nobody else took it."""
        mine = (leases.c.name == name) & (leases.c.token == token)
        alive = leases.c.owner.is_not(None) & (leases.c.expires_at > now)
        done = tx.execute(update(leases).where(mine & alive).values(expires_at=now + ttl))
        return done.rowcount == 1

    def release(self, tx: Connection, name: str, token: int) -> bool:
        """Gives it back; False when it was no longer held."""
        mine = (leases.c.name == name) & (leases.c.token == token) & leases.c.owner.is_not(None)
        return tx.execute(update(leases).where(mine).values(owner=None)).rowcount == 1

    def holder(self, tx: Connection, name: str, now: datetime) -> Lease | None:
        """Who holds it now."""
        row = tx.execute(select(leases).where(leases.c.name == name)).first()
        if row is None or row.owner is None or row.expires_at <= now:
            return None
        return Lease(row.owner, int(row.token), row.expires_at)

    def last(self, tx: Connection, name: str) -> Lease | None:
        """Who holds it, or held it until it expired; None when it was given back."""
        row = tx.execute(select(leases).where(leases.c.name == name)).first()
        if row is None or row.owner is None:
            return None
        return Lease(row.owner, int(row.token), row.expires_at)

    def check(self, tx: Connection, name: str, token: int, now: datetime) -> None:
        """Makes sure that the token still holds, in the transaction that is to rely on it.

        Raises:
            ConflictError: when it does not.
        """
        holder = self.holder(tx, name, now)
        if holder is None or holder.token != token:
            raise ConflictError(
                "lease.lost",
                f"the lease '{name}' was lost; another process may lead now",
                "Nothing is to be done: the leader goes on.",
            )
