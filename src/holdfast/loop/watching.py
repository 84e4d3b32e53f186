"""Monitor, decide, act: for one model, from what is in the logs now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy import Connection

from holdfast.deciding.decide import State, decide
from holdfast.loop import incidents
from holdfast.loop.container import Container
from holdfast.loop.looking import look_at, look_back, look_json
from holdfast.loop.releasing import Releasing
from holdfast.loop.stints import Stint, stints
from holdfast.loop.triggers import new_code, newer_data, schedule_due
from holdfast.monitoring.look import Look
from holdfast.records import Decision, Finding, Job, JobState, ReleaseState, Route, Version
from holdfast.spec import Spec

MONTH = timedelta(days=30)
# Labels of the last hours come in all the time; looking once an hour at the same blocks will do.
OFTEN = timedelta(hours=1)


class Watching:
    """Looks at what is live, decides, and acts on the decision."""

    def __init__(self, container: Container, releasing: Releasing) -> None:
        self._container = container
        self._store = container.store
        self._releasing = releasing
        self._seen: dict[str, tuple[int, datetime]] = {}
        self._looked_back: dict[str, tuple[datetime, date]] = {}

    def watch(self, model: str) -> Look | None:
        """One look, if there is something new since the last; returns what was seen."""
        container = self._container
        route = container.ask(self._store.routes.current, model)
        if route is None:
            return None
        if self._finish_rollback(route):
            return None
        until = container.recorded_until()
        if until is None:
            return None
        version = container.version(model, route.champion.version)
        hour = until.replace(minute=0, second=0, microsecond=0)
        if self._seen.get(model) == (version.number, hour):
            return None
        spec = container.spec(model)
        lived = stints(container.ask(self._store.routes.history, model, 10_000))
        since = lived[-1].since
        seen = look_at(container, spec, version, since, until, self._before(model, version, since))
        self._act(spec, version, since, seen, route)
        self._seen[model] = (version.number, hour)
        if len(lived) > 1:
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

    def _before(self, model: str, version: Version, since: datetime) -> datetime | None:
        """Until when this version was looked at before; from the store after a restart."""
        kept = self._container.ask(self._store.looks.find, model, version.number, since)
        return None if kept is None else msgspec.json.decode(kept, type=_Kept).until

    def _look_back(self, spec: Spec, past: Stint, until: datetime) -> None:
        """Once a day at the version before, for labels that came late."""
        day = (past.since, until.date())
        if self._looked_back.get(spec.model.name) != day:
            look_back(self._container, spec, past, until)
            self._looked_back[spec.model.name] = day

    def _act(self, spec: Spec, version: Version, since: datetime, seen: Look, route: Route) -> None:
        """Writes findings and decision and queues what was decided, all in one transaction."""
        model, now = version.model, self._container.clock.now()
        kept = look_json(seen, version, since, self._container.reference(version), spec.monitor)
        plans = _Plans(
            new_code(spec, version),
            newer_data(self._container, spec, version),
            schedule_due(self._container, spec, now),
        )
        with self._store.begin("decision.make") as tx:
            current = self._store.routes.current(tx, model)
            if current is None or current.epoch != route.epoch:
                return  # another version answers now: the next pass looks at that one
            state = self._state(tx, spec, version, since, seen.findings, plans)
            decision = decide(
                seen.findings, state, spec.retrain, tolerance=spec.monitor.tolerance, now=now,
                model=model, version=version.number,
            )  # fmt: skip
            self._store.looks.save(tx, model, version.number, since, now, kept)
            found = (*seen.passed, *seen.findings)
            news = [finding for finding in found if self._store.findings.add(tx, finding)]
            for finding in news:
                self._event(tx, now, "finding.established", model, finding.sentence, finding)
            fresh = decision.action != "nothing" and self._store.decisions.add(tx, decision)
            if fresh:
                text = f"{decision.action.replace('_', ' ')}: {decision.reason}"
                self._event(tx, now, "decision.made", model, text, decision)
                if decision.action == "retrain":
                    self._queue(tx, decision, now)
            if fresh or news:
                incidents.tell(self._container, tx, seen.findings, decision)
            elif decision.action == "nothing" and not any(f.pages for f in seen.findings):
                incidents.close_open(self._container, tx, model, "nothing is found any more")
        if fresh and decision.action == "roll_back":
            self._releasing.rollback(model, actor="holdfast", reason=decision.reason)

    def _queue(self, tx: Connection, decision: Decision, now: datetime) -> Job:
        return self._store.jobs.enqueue(
            tx, f"train:{decision.model}:{decision.id}", "train", decision.model,
            {"origin": "loop", "decision": decision.id, "accept": None}, now,
        )  # fmt: skip

    def _state(
        self,
        tx: Connection,
        spec: Spec,
        version: Version,
        since: datetime,
        findings: Sequence[Finding],
        plans: _Plans,
    ) -> State:
        model, now = version.model, self._container.clock.now()
        jobs = [job for job in self._store.jobs.recent(tx, model, 200) if job.kind == "train"]
        loops = [job for job in jobs if job.payload.get("origin") == "loop"]
        watched = [
            release
            for release in self._store.releases.active(tx, model)
            if release.state == ReleaseState.WATCHED and release.version == version.number
        ]
        # A paused model is not retrained; what is live is watched, and taken back, all the same.
        paused = self._store.models.get(tx, model).paused
        halted = paused or self._store.releases.moving(tx, model) is not None
        return State(
            last_retrain_at=loops[0].created_at if loops else None,
            retrains_in_30_days=sum(job.created_at > now - MONTH for job in loops),
            pending_action="retrain" if halted or self._under_way(tx, model, jobs) else None,
            consecutive_looks=_consecutive(findings, spec, now),
            released_at=since,
            release_watching=bool(watched),
            previous_version=watched[0].previous if watched else None,
            contract_broken=_contract_trouble(loops),
            new_data=plans.data,
            code_changed=plans.code,
            schedule_due=plans.schedule,
        )

    def _under_way(self, tx: Connection, model: str, jobs: Sequence[Job]) -> bool:
        """Whether a retraining runs, or its version is still to be judged or released."""
        for job in jobs:
            if job.state in (JobState.QUEUED, JobState.RUNNING):
                return True
            if job.state == JobState.DONE and job.payload.get("origin") == "loop":
                number = int(job.result["version"])
                if self._store.verdicts.latest(tx, model, number) is None:
                    return not any(
                        other.kind == "gate" and other.state == JobState.FAILED
                        and other.payload.get("version") == number
                        for other in self._store.jobs.recent(tx, model, 200)
                    )  # fmt: skip
        return False

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


class _Kept(msgspec.Struct, frozen=True):
    """What is needed of a stored look."""

    until: datetime


class _Plans(msgspec.Struct, frozen=True):
    """What calls for a retraining besides findings."""

    code: str
    data: str
    schedule: datetime | None


def _consecutive(findings: Sequence[Finding], spec: Spec, now: datetime) -> dict[str, int]:
    """Blocks in a row that each finding has held, under the names that decisions look for."""
    block = spec.monitor.block
    held: dict[str, int] = {}
    for finding in findings:
        if finding.kind in ("realised_loss", "estimated_loss"):
            held[finding.kind] = max(int((now - finding.since) / block), 1)
        elif not finding.pages:
            held[finding.subject] = max(round((finding.at - finding.since) / block), 1)
    return held


def _contract_trouble(loops: Sequence[Job]) -> str:
    """Why the last retraining's data were refused; empty when they were not."""
    if loops and loops[0].state == JobState.FAILED:
        error = loops[0].result.get("error") or loops[0].result
        if error.get("code") == "data.contract":
            return str(error["message"])
    return ""
