"""Leadership: which control plane of an installation acts, and that the one before it cannot.

The leader holds a lease in the database and renews it while it works. Every write transaction of
the leader begins with a check of its token, in the same transaction: whoever was deposed while it
slept writes nothing, whatever the clocks say. Clocks only decide how soon somebody takes over, and
a follower trusts its own monotonic one: a lease that was not renewed for its whole length is free,
even if the wall clock was set back.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import psutil
from sqlalchemy import Connection

from holdfast.errors import ConflictError, HoldfastError
from holdfast.store.leases import Lease
from holdfast.store.store import Store

LEASE = "reconciler"
LEASE_TIME = timedelta(seconds=6)
RENEW_SECONDS = LEASE_TIME.total_seconds() / 3
LOST = "lease.lost"


class Leadership:
    """One control plane's hold on the lease.

    Args:
        store: where the lease is kept; called on first use.
        wall: time of the machine.
        steady: seconds that never jump.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        wall: Callable[[], datetime],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wall = wall
        self._steady = steady
        me = psutil.Process()
        # Several reconcilers of one process are as strange to each other as two processes.
        self._owner = f"{socket.gethostname()}/{me.pid}/{me.create_time()}/{id(self)}"
        self._token: int | None = None
        self._leads = False
        self._seen: tuple[Lease, float] | None = None

    @property
    def leads(self) -> bool:
        """Whether this one led when it last looked."""
        return self._leads

    def take(self) -> bool:
        """Takes the lease if it is free, expired, or was not renewed for its whole length."""
        store, now = self._store(), self._wall()
        with store.read() as tx:
            holder = store.leases.last(tx, LEASE)
        if holder is not None and now < holder.expires_at and not self._is_over(holder):
            return False
        with store.begin() as tx:
            present = store.leases.last(tx, LEASE)
            if present is not None and present == holder:
                store.leases.release(tx, LEASE, present.token)
            self._token = store.leases.acquire(tx, LEASE, self._owner, LEASE_TIME, now)
        self._leads = self._token is not None
        return self._leads

    def _is_over(self, holder: Lease) -> bool:
        if holder.owner == self._owner or _died_here(holder.owner):
            return True
        if self._seen is None or self._seen[0] != holder:
            self._seen = (holder, self._steady())
        return self._steady() - self._seen[1] >= LEASE_TIME.total_seconds()

    def renew(self) -> None:
        """Holds it longer, if it is still ours; else this one leads no more."""
        if self._leads and self._token is not None:
            store = self._store()
            with store.begin() as tx:
                self._leads = store.leases.renew(tx, LEASE, self._token, LEASE_TIME, self._wall())

    def check(self, tx: Connection) -> None:
        """Refuses a transaction of one that leads no more.

        One that never led passes: a pass by hand, in a rehearsal or a test, fences nobody off.

        Raises:
            ConflictError: when another leads, or the lease was given back.
        """
        if self._token is None:
            return
        try:
            self._store().leases.check(tx, LEASE, self._token, self._wall())
        except ConflictError:
            self._leads = False
            raise

    def give_back(self) -> None:
        """Lets another take over at once."""
        if self._token is not None:
            self._leads = False
            with self._store().begin() as tx:
                self._store().leases.release(tx, LEASE, self._token)

    @contextlib.contextmanager
    def renewed(self) -> Iterator[None]:
        """Renews in a thread of its own, however long a pass takes; gives the lease back after."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(RENEW_SECONDS):
                # The database may be away; without it the leader cannot act either.
                with contextlib.suppress(HoldfastError):
                    self.renew()

        thread = threading.Thread(target=beat, name="holdfast-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            with contextlib.suppress(HoldfastError):
                self.give_back()


def _died_here(owner: str) -> bool:
    """Whether a lease's owner was a process of this machine that is gone: no need to wait then."""
    host, _, rest = owner.partition("/")
    pid, _, rest = rest.partition("/")
    started = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) > 1.0)
    except psutil.NoSuchProcess:
        return True
