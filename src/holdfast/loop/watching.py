"""Monitor, decide, act: for one model, from what is in the logs now."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from holdfast.deciding.decide import decide
from holdfast.loop import incidents
from holdfast.loop.container import Container
from holdfast.loop.kept import Kept, read_kept
from holdfast.loop.looking import look_at, look_back, look_json
from holdfast.loop.releasing import Releasing
from holdfast.loop.state import state_of
from holdfast.loop.stints import Stint, stints
from holdfast.loop.triggers import Plans, plans_of
from holdfast.monitoring.causes import causes_of
from holdfast.monitoring.look import Look
from holdfast.monitoring.loss_monitor import tolerated
from holdfast.records import Decision, Finding, Job, Route, Version
from holdfast.spec import Spec

MINUTE = timedelta(minutes=1)


class Watching:
    """Looks at what is live, decides, and acts on the decision."""

    def __init__(self, container: Container, releasing: Releasing) -> None:
        self._container = container
        self._store = container.store
        self._releasing = releasing
        self._seen: dict[str, _Seen] = {}
        self._plans: dict[str, tuple[int, datetime, Plans]] = {}
        self._looked_back: dict[str, tuple[datetime, date]] = {}

    def watch(self, model: str) -> Look | None:
        """One look, if there is something new since the last; returns what was seen.

        New is an hour of predictions (or without any), another version, and a plan that came due:
        code, data, the schedule or a webhook call for a training also while nobody asks for
        predictions.
        """
        container = self._container
        route = container.ask(self._store.routes.current, model)
        if route is None:
            return None
        if self._finish_rollback(route):
            return None
        version = container.version(model, route.champion.version)
        spec = container.spec(model)
        plans = self._planned(spec, version)
        until = container.recorded_until()
        hour = None if until is None else until.replace(minute=0, second=0, microsecond=0)
        new = _Seen(version.number, hour, plans)
        if not _differs(new, self._seen.get(model)):
            return None
        lived = stints(container.ask(self._store.routes.history, model, 10_000))
        since = lived[-1].since
        with self._store.read() as tx:
            level = incidents.held_level(container, tx, model, since)
        seen = None
        if until is not None:
            kept = self._kept(model, version, since)
            seen = look_at(container, spec, version, since, until, kept, level)
        if not self._act(spec, version, since, seen, route, plans, level):
            return None
        self._seen[model] = new
        if until is not None and len(lived) > 1:
            self._look_back(spec, lived[-2], until)
        return seen

    def _finish_rollback(self, route: Route) -> bool:
        """Does what was decided about the live version, if the process died before it could."""
        made = self._container.ask(
            self._store.decisions.list, route.model, actions=("roll_back",), limit=1
        )
        if not made or made[0].version != route.champion.version:
            return False
        lived = stints(self._container.ask(self._store.routes.history, route.model, 10_000))
        if made[0].at < lived[-1].since:
            return False  # it was rolled back, and somebody put it live once more
        self._releasing.rollback(route.model, actor="holdfast", reason=made[0].reason)
        return True

    def _planned(self, spec: Spec, version: Version) -> Plans:
        """What calls for a training besides findings; looked up once a minute."""
        model, now = spec.model.name, self._container.clock.now()
        known = self._plans.get(model)
        if known and known[0] == version.number and timedelta(0) <= now - known[1] < MINUTE:
            return known[2]
        plans = plans_of(self._container, spec, version, now)
        self._plans[model] = (version.number, now, plans)
        return plans

    def _kept(self, model: str, version: Version, since: datetime) -> Kept | None:
        """The look before this one."""
        return read_kept(self._container.ask(self._store.looks.find, model, version.number, since))

    def _look_back(self, spec: Spec, past: Stint, until: datetime) -> None:
        """Once a day at the version before, for labels that came late."""
        day = (past.since, until.date())
        if self._looked_back.get(spec.model.name) != day:
            look_back(self._container, spec, past, until)
            self._looked_back[spec.model.name] = day

    def _act(
        self,
        spec: Spec,
        version: Version,
        since: datetime,
        seen: Look | None,
        route: Route,
        plans: Plans,
        level: float | None,
    ) -> bool:
        """Writes findings and decision and queues what was decided, all in one transaction.

        Returns:
            False when the route has changed meanwhile: nothing was done, and it is to be looked at
            once more.
        """
        model, now = version.model, self._container.clock.now()
        findings = () if seen is None else seen.findings
        with self._store.begin("decision.make") as tx:
            current = self._store.routes.current(tx, model)
            if current is None or current.epoch != route.epoch:
                return False
            state = state_of(self._container, tx, spec, version, since, findings, plans)
            decision = decide(
                findings, state, spec.retrain, tolerance=spec.monitor.tolerance, now=now,
                model=model, version=version.number,
            )  # fmt: skip
            news = [] if seen is None else self._keep(tx, spec, version, since, seen)
            # Nothing is worth telling only when a retraining was called for.
            fresh = decision.trigger != "none" and self._store.decisions.add(tx, decision)
            if fresh:
                text = f"{decision.action.replace('_', ' ')}: {decision.reason}"
                self._event(tx, now, "decision.made", model, text, decision)
                if decision.action == "retrain":
                    self._queue(tx, decision, now)
            if fresh or news:
                explained = None if seen is None else seen.attribution
                causes = causes_of(findings, explained, spec.monitor.minimum)
                own = tolerated(self._container.reference(version), spec.monitor)
                incidents.tell(self._container, tx, findings, decision, causes, own)
            if decision.action == "nothing" and not any(one.pages for one in findings):
                if level is None:
                    incidents.close_open(self._container, tx, model, "nothing is found any more")
                elif seen is not None and seen.back:
                    why = f"the measured loss is back within {level:.3f}, as before"
                    incidents.close_open(self._container, tx, model, why)
        if fresh and decision.action == "roll_back":
            self._releasing.rollback(model, actor="holdfast", reason=decision.reason)
        return True

    def _keep(
        self, tx: Connection, spec: Spec, version: Version, since: datetime, seen: Look
    ) -> list[Finding]:
        """Writes a look and its findings; returns those that are new."""
        model, now = version.model, self._container.clock.now()
        kept = look_json(seen, version, since, self._container.reference(version), spec.monitor)
        self._store.looks.save(tx, model, version.number, since, now, kept)
        self._store.fleet.save(tx, model, now, seen.least_share)
        found = (*seen.passed, *seen.findings)
        news = [finding for finding in found if self._store.findings.add(tx, finding)]
        for finding in news:
            self._event(tx, now, "finding.established", model, finding.sentence, finding)
        return news

    def _queue(self, tx: Connection, decision: Decision, now: datetime) -> Job:
        return self._store.jobs.enqueue(
            tx, f"train:{decision.model}:{decision.id}", "train", decision.model,
            {"origin": "loop", "decision": decision.id, "accept": None}, now,
        )  # fmt: skip

    def _event(
        self,
        tx: Connection,
        now: datetime,
        kind: str,
        model: str,
        sentence: str,
        record: Finding | Decision,
    ) -> None:
        body = {"sentence": sentence, kind.partition(".")[0]: record.to_dict()}
        self._store.events.append(tx, now, kind, model, "holdfast", body)


class _Seen(NamedTuple):
    """What the last look was at."""

    version: int
    hour: datetime | None
    plans: Plans


def _differs(new: _Seen, known: _Seen | None) -> bool:
    """Whether there is anything new; a recorder whose time goes back has nothing."""
    if known is None or (new.version, new.plans) != (known.version, known.plans):
        return True
    return new.hour is not None and (known.hour is None or new.hour > known.hour)
