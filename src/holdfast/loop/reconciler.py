"""The reconciler: compares what should be with what is, and does the next step.

Level-triggered: each pass looks at the whole state, so it does not matter which pass a killed
control plane did not finish. Each step is one transaction whose key or id makes doing it twice
the same as doing it once. A pass touches only models that have something new.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from functools import partial

from holdfast.errors import HoldfastError, NotFoundError
from holdfast.loop.agenda import Agenda
from holdfast.loop.aliases import settle
from holdfast.loop.container import Container
from holdfast.loop.courier import Courier
from holdfast.loop.jobs import LocalRunner
from holdfast.loop.lanes import Lanes
from holdfast.loop.leading import LEASE, LEASE_TIME, LOST, Leadership
from holdfast.loop.releasing import Releasing
from holdfast.loop.routing import latest_release
from holdfast.loop.spells import broken_now
from holdfast.loop.switched import note_last_answers
from holdfast.loop.watching import Watching
from holdfast.records import JobState, ReleaseState
from holdfast.spec import FILE_NAME

log = logging.getLogger("holdfast")

STEERING, LOOKING = 2, 1
"""Threads for releases and for looks: a look may take long, a release must not wait for it."""

BREATH = 1.0  # times as long as a look took nobody looks again: the processor is for the traffic
BLINK = 0.1  # seconds between looks at whether a job's process has ended


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
        self._lease = Leadership(lambda: container.store, wall)
        self._container = container.guarded(self._lease.check)
        self._releasing = releasing.on(self._container)
        self._runner = LocalRunner(self._container)
        self._watching = Watching(self._container, self._releasing)
        self._courier = Courier(self._container, wall)
        self._to_steer, self._to_look = Agenda(self._container), Agenda(self._container)
        self._steering, self._looking = Lanes(0), Lanes(0)
        self._breath, self._rested = 0.0, dict[str, float]()
        self._failing: dict[str, str] = {}

    def run(self, stop: threading.Event, interval: float = 1.0) -> None:
        """Passes until ``stop`` is set; a failing pass is logged and tried again."""
        self._steering = Lanes(STEERING, "holdfast-steering")
        self._looking = Lanes(LOOKING, "holdfast-looking")
        self._breath = BREATH
        try:
            with self._lease.renewed():
                while not stop.is_set():
                    self._pass()
                    self._rest(stop, interval)
                self._steering.close()
                self._looking.close()
                self._courier.close()
        finally:
            self._steering, self._looking = Lanes(0), Lanes(0)

    def _pass(self) -> None:
        try:
            if self._leads():
                self.tick()
        except Exception as error:  # noqa: BLE001 - whatever broke this pass, the next may succeed
            self._fault("reconciler", error)
        else:
            self._failing.pop("reconciler", None)

    def _rest(self, stop: threading.Event, seconds: float) -> None:
        """Until the next pass; a job that ends is followed up at once."""
        end = time.monotonic() + seconds
        leads = self._lease.leads
        while not (leads and self._runner.has_ended()) and (left := end - time.monotonic()) > 0:
            if stop.wait(min(left, BLINK)):
                return

    def _leads(self) -> bool:
        """Whether this one may act. What a former leader began must end before it leads anew."""
        if self._lease.leads:
            return True
        idle = [lanes.is_idle() for lanes in (self._steering, self._looking)]
        return all(idle) and self._lease.take()

    def tick(self) -> None:
        """One pass over jobs and models; a model that fails does not hold up the others."""
        self._runner.tick()
        self._courier.tick()
        marks = self._marks()
        for model in self._to_steer.due(marks):
            self._steering.submit(model, partial(self._try, self._to_steer, self.steer))
        until = self._container.recorded_until()
        hour = None if until is None else until.replace(minute=0, second=0, microsecond=0)
        # Once a minute also without traffic: code, data and the schedule may call for a training.
        minute = self._container.clock.now().replace(second=0, microsecond=0)
        for model in self._to_look.due(dict.fromkeys(marks, (hour, minute))):
            if time.monotonic() < self._rested.get(model, 0.0):
                continue
            self._looking.submit(model, partial(self._try, self._to_look, self.look))

    def _marks(self) -> dict[str, object]:
        """By model, what tells that it needs a step though its own events do not say so."""
        store, now = self._container.store, self._container.clock.now()
        with store.read() as tx:
            roots, states = store.models.roots(tx), store.releases.states(tx)
        aliases = self._container.registry.all_aliases()
        watched = {model for model, state in states if state == ReleaseState.WATCHED}
        moving = {model for model, state in states if state != ReleaseState.WATCHED}
        labels = self._container.labels
        hour = now.replace(minute=0, second=0, microsecond=0)
        return {
            model: (
                aliases.get(model),
                _changed(f"{root}/{FILE_NAME}"),
                object() if model in moving else None,  # evidence and time: at each pass
                (hour, labels.changed(model)) if model in watched else None,
            )
            for model, root in roots.items()
        }

    def reconcile(self, model: str) -> None:
        """Everything that one model needs now."""
        self.steer(model)
        self._watching.watch(model)
        settle(self._container, model)

    def steer(self, model: str) -> None:
        """Aliases, what follows a training, and releases: never long."""
        moved = settle(self._container, model)
        if moved is not None:
            self._answer_alias(model, moved)
        if not self._container.ask(self._container.store.models.get, model).paused:
            self._follow_up(model)
        for release in self._container.ask(self._container.store.releases.active, model):
            self._releasing.advance(release)
        settle(self._container, model)

    def look(self, model: str) -> None:
        """Monitor, decide, act: this may take a while."""
        began = time.monotonic()
        note_last_answers(self._container, model)
        self._watching.watch(model)
        settle(self._container, model)
        ended = time.monotonic()
        self._rested[model] = ended + self._breath * (ended - began)

    def _try(self, agenda: Agenda, work: Callable[[str], None], model: str) -> None:
        agenda.begun(model)
        try:
            work(model)
        except Exception as error:  # noqa: BLE001 - user projects can be broken in any way
            agenda.again(model)
            self._fault(model, error)
        else:
            self._failing.pop(model, None)
            self._runner.tick()  # what this has ordered need not wait for the next pass

    def _answer_alias(self, model: str, number: int) -> None:
        """Follows an alias that somebody moved, or moves it back, as the spec says."""
        if self._container.spec(model).release.alias_moves == "revert":
            self._releasing.revert_alias(model, number)
            return
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
        with store.begin("gate.queue") as tx:
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

    def _fault(self, what: str, error: Exception) -> None:
        if isinstance(error, HoldfastError):
            if error.code == LOST:  # said once, by whoever leads now
                log.info("%s: %s", what, error.message)
                return
            self._complain(what, str(error))
        else:
            self._complain(what, "".join(traceback.format_exception(error)))

    def _complain(self, what: str, text: str) -> None:
        """Says each trouble once until it changes, so that a log stays readable."""
        if self._failing.get(what) != text:
            self._failing[what] = text
            log.error("%s: %s", what, text)


def _changed(file: str) -> int:
    """Nanoseconds of a file's last change; 0 when it is not there.

    Of hundreds of files each second: building a ``Path`` takes longer than asking for the time.
    """
    try:
        return os.stat(file).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


__all__ = ["LEASE", "LEASE_TIME", "Reconciler"]
