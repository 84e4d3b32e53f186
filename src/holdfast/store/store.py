"""The store: all repositories over one database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection

from holdfast.ports import faults
from holdfast.store.database import Database
from holdfast.store.datasets import Datasets
from holdfast.store.decisions import Decisions
from holdfast.store.events import Events
from holdfast.store.findings import Findings
from holdfast.store.fleet import Fleet
from holdfast.store.incidents import Incidents
from holdfast.store.jobs import Jobs
from holdfast.store.leases import Leases
from holdfast.store.looks import Looks
from holdfast.store.models import Models
from holdfast.store.notifications import Notifications
from holdfast.store.releases import Releases
from holdfast.store.routes import Routes
from holdfast.store.servers import Servers
from holdfast.store.verdicts import Verdicts
from holdfast.store.versions import Versions


class Store:
    """One repository a noun.

    Each call takes the open transaction, so that a change and its event are stored together or not
    at all::

        with store.begin() as tx:
            store.routes.change(tx, route)
            store.events.append(tx, now, "route.changed", route.model, actor, route.to_dict())
    """

    def __init__(
        self, database: Database, guard: Callable[[Connection], None] | None = None
    ) -> None:
        self.database = database
        self._guard = guard
        self.models = Models()
        self.datasets = Datasets()
        self.versions = Versions()
        self.verdicts = Verdicts()
        self.releases = Releases()
        self.routes = Routes()
        self.servers = Servers()
        self.findings = Findings()
        self.decisions = Decisions()
        self.incidents = Incidents()
        self.jobs = Jobs()
        self.events = Events()
        self.looks = Looks()
        self.fleet = Fleet()
        self.notifications = Notifications()
        self.leases = Leases()

    @contextmanager
    def begin(self, step: str = "") -> Iterator[Connection]:
        """A write transaction; see :meth:`Database.begin`.

        Args:
            step: its name as a fault point, see :mod:`holdfast.ports.faults`.
        """
        with self.database.begin() as tx:
            if self._guard is not None:
                self._guard(tx)
            yield tx
            faults.reach(step, "before")
        faults.reach(step, "after")

    def guarded(self, guard: Callable[[Connection], None]) -> Store:
        """The same store, each of whose write transactions begins with a check.

        Args:
            guard: raises when the transaction must not go on.
        """
        return Store(self.database, guard)

    def read(self) -> AbstractContextManager[Connection]:
        """A read-only transaction; see :meth:`Database.read`."""
        return self.database.read()

    def migrate(self) -> None:
        """Brings the schema up to date; see :meth:`Database.migrate`."""
        self.database.migrate()

    def close(self) -> None:
        """Closes all connections."""
        self.database.close()
