"""The reconciler: compares what should be with what is, and does the next step.

Level-triggered: each pass looks at the whole state, so it does not matter which pass a killed
control plane did not finish. Each step is one transaction whose key or id makes doing it twice
the same as doing it once.
"""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil

from holdfast.errors import HoldfastError, NotFoundError
from holdfast.loop.aliases import settle
from holdfast.loop.container import Container
from holdfast.loop.courier import Courier
from holdfast.loop.jobs import LocalRunner
from holdfast.loop.releasing import Releasing
from holdfast.loop.routing import latest_release
from holdfast.loop.spells import broken_now
from holdfast.loop.watching import Watching
from holdfast.records import JobState

log = logging.getLogger("holdfast")

LEASE = "reconciler"
LEASE_TIME = timedelta(seconds=10)


class Reconciler:
    """Drives every model of an installation.

    Args:
        container: the wiring.
        releasing: wakes the servers when it changes a route.
        wall: time of the machine (never a rehearsal's), for the lease.
    """

    def __init__(
        self, container: Container, releasing: Releasing, wall: Callable[[], datetime]
    ) -> None:
        self._container = container
        self._releasing = releasing
        self._runner = LocalRunner(container)
        self._watching = Watching(container, releasing)
        self._courier = Courier(container, wall)
        me = psutil.Process()
        self._owner = f"{socket.gethostname()}/{me.pid}/{me.create_time()}"
        self._wall = wall
        self._token: int | None = None
        self._failing: dict[str, str] = {}

    def run(self, stop: threading.Event, interval: float = 1.0) -> None:
        """Passes until ``stop`` is set; a failing pass is logged and tried again."""
        while not stop.is_set():
            try:
                if self._leads():
                    self.tick()
            except Exception:  # noqa: BLE001 - whatever broke this pass, the next may succeed
                self._complain("reconciler", traceback.format_exc())
            else:
                self._failing.pop("reconciler", None)
            stop.wait(interval)
        self._courier.close()
        if self._token is not None:
            with self._container.store.begin() as tx:
                self._container.store.leases.release(tx, LEASE, self._token)

    def _leads(self) -> bool:
        store, now = self._container.store, self._wall()
        with store.begin() as tx:
            holder = store.leases.holder(tx, LEASE, now)
            if holder is not None and _died_here(holder.owner):
                store.leases.release(tx, LEASE, holder.token)
            self._token = store.leases.acquire(tx, LEASE, self._owner, LEASE_TIME, now)
        return self._token is not None

    def tick(self) -> None:
        """One pass over jobs and models; a model that fails does not hold up the others."""
        self._runner.tick()
        self._courier.tick()
        for model in self._container.models():
            try:
                self.reconcile(model)
            except Exception as error:  # noqa: BLE001 - user projects can be broken in any way
                known = isinstance(error, HoldfastError)
                self._complain(model, str(error) if known else traceback.format_exc())
            else:
                self._failing.pop(model, None)

    def reconcile(self, model: str) -> None:
        """Everything that one model needs now."""
        moved = settle(self._container, model)
        if moved is not None:
            self._obey(model, moved)
        self._follow_up(model)
        for release in self._container.ask(self._container.store.releases.active, model):
            self._releasing.advance(release)
        self._watching.watch(model)
        settle(self._container, model)

    def _obey(self, model: str, number: int) -> None:
        """Follows an alias that somebody moved, if we can serve what it points to."""
        what = f"{model}, alias champion"
        try:
            self._releasing.obey_alias(model, number)
        except NotFoundError as error:  # registered with plain MLflow: it has no bundle
            self._complain(what, f"{error}; the version that was live stays live")
        else:
            self._failing.pop(what, None)

    def _follow_up(self, model: str) -> None:
        """After a retraining its gate, after a passed gate its release."""
        store = self._container.store
        for job in self._container.ask(store.jobs.recent, model, 20):
            if (job.kind, job.state) != ("train", JobState.DONE):
                continue
            if job.payload.get("origin") == "loop":
                number = int(job.result["version"])
                verdict = self._container.ask(store.verdicts.latest, model, number)
                if verdict is None:
                    self._enqueue_gate(model, number)
                elif verdict.outcome == "pass":
                    self._release(model, number)

    def _enqueue_gate(self, model: str, number: int) -> None:
        store = self._container.store
        with store.begin() as tx:
            store.jobs.enqueue(
                tx, f"gate:{model}:{number}", "gate", model, {"version": number, "origin": "loop"},
                self._container.clock.now(),
            )  # fmt: skip

    def _release(self, model: str, number: int) -> None:
        """Releases a retrained version once, when nothing else is under way."""
        store = self._container.store
        if not self._container.spec(model).release.automatic:
            return
        with store.read() as tx:
            route = store.routes.current(tx, model)
            if route is not None and route.champion.version >= number:
                return
            if latest_release(self._container, tx, model, number) is not None:
                return
            if store.releases.moving(tx, model) is not None:
                return
        if broken_now(self._container, model):
            return  # nothing could be learned of it from broken inputs
        self._releasing.start(model, version=number, actor="holdfast")

    def _complain(self, what: str, text: str) -> None:
        """Says each trouble once until it changes, so that a log stays readable."""
        if self._failing.get(what) != text:
            self._failing[what] = text
            log.error("%s: %s", what, text)


def _died_here(owner: str) -> bool:
    """Whether a lease's owner was a process of this machine that is gone: no need to wait then."""
    host, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) > 1.0)
    except psutil.NoSuchProcess:
        return True
