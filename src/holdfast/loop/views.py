"""What people ask of an installation, one documented record each: for pages, API, commands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from holdfast.errors import NotFoundError
from holdfast.loop.container import SERVER_SILENCE, Container
from holdfast.loop.recorders import RecorderState, recorder_state
from holdfast.loop.routing import latest_release
from holdfast.records import (
    Armed,
    Decision,
    Event,
    Incident,
    Job,
    Notification,
    NotificationState,
    Record,
    Release,
    Route,
    ServerReport,
    Verdict,
    Version,
)  # fmt: skip


class ModelStatus(Record, frozen=True, kw_only=True):
    """How one model is now.

    Args:
        live: the version that answers most requests; None before the first release.
        route: what the servers are ordered to do.
        release: the release under way or watched.
        servers: those heard of in the last minute.
        jobs: queued and running.
        incidents: open ones.
        predictions: rows answered in the last 24 hours.
        recorded_until: prediction time up to which everything was drained into the log.
        recorder: of this home.
        undelivered: messages that failed so far, and those given up in the last week.
        decision: the newest, which says what was done about the model, or why nothing was.
        monitors: what may page, and how it did in its rehearsal.
    """

    model: str
    task: str
    live: Version | None
    route: Route | None
    release: Release | None
    servers: tuple[ServerReport, ...]
    jobs: tuple[Job, ...]
    incidents: tuple[Incident, ...]
    predictions: int
    recorded_until: datetime | None
    recorder: RecorderState | None = None
    undelivered: tuple[Notification, ...] = ()
    decision: Decision | None = None
    monitors: tuple[Armed, ...] = ()

    def lines(self) -> Iterator[str]:
        """The status as text."""
        if self.live is None:
            yield f"{self.model} ({self.task}): nothing is live; release a version that passed"
        else:
            yield (
                f"{self.model} ({self.task}): version {self.live.number} is live, "
                f"trained on data until {self.live.data_end:%Y-%m-%d %H:%M}"
            )
        if self.release is not None and not self.release.state.ended:
            yield (
                f"  release of version {self.release.version}: "
                f"{self.release.state.value}; {self.release.reason}"
            )
        for server in self.servers:
            epoch = server.epochs.get(self.model)
            trouble = server.problems.get(self.model)
            text = f"  server {server.server} at {server.url}: epoch {epoch}"
            yield f"{text}; trouble: {trouble}" if trouble else text
        yield f"  {self.predictions:,} predictions in the last 24 hours"
        if self.recorder is not None:
            yield from (f"  {line}" for line in self.recorder.lines())
        for job in self.jobs:
            yield f"  {job.kind} job {job.id}: {job.state.value} {job.step}".rstrip()
        if self.decision is not None:
            action = self.decision.action.replace("_", " ")
            yield f"  decided {self.decision.at:%Y-%m-%d %H:%M}: {action}; {self.decision.reason}"
        for monitor in self.monitors:
            what = monitor.monitor.replace("realised", "measured").replace("_", " ")
            yield f"  monitor of the {what}: {monitor.sentence}"
        for incident in self.incidents:
            yield f"  OPEN INCIDENT {incident.id} since {incident.opened_at:%Y-%m-%d %H:%M}: " + (
                incident.title
            )
        for one in self.undelivered:
            waits = one.state == NotificationState.WAITING
            what = f"is tried again at {one.due_at:%H:%M:%S}" if waits else "was given up"
            yield f"  NOT TOLD to {one.channel}, {what}: {one.title}; {one.said}"


class VersionRow(Record, frozen=True, kw_only=True):
    """A version with what became of it.

    Args:
        role: ``live``, the state of its newest release, or empty.
        metric: the gate's metric with its interval, as text.
        served_by: ``onnx``, or ``native`` and why.
    """

    version: Version
    role: str
    verdict: str
    metric: str
    served_by: str


class HistoryLine(Record, frozen=True, kw_only=True):
    """One event of the audit log, for people."""

    seq: int
    at: datetime
    kind: str
    model: str
    actor: str
    sentence: str


class LiveAt(Record, frozen=True, kw_only=True):
    """Which version answered at a time, and the evidence.

    Args:
        since: when that route began to hold; ``until`` when the next did, None while it holds.
        versions: the versions that the route named, with their shares and lineage.
        answered: rows each version really answered in the minute around the time, from the log.
        event: number of the event in the audit log that ordered it, with its hash.
    """

    model: str
    at: datetime
    route: Route
    since: datetime
    until: datetime | None
    versions: tuple[Version, ...]
    answered: dict[int, int]
    release: Release | None
    verdict: Verdict | None
    event: int | None
    event_hash: str

    def lines(self) -> Iterator[str]:
        """The answer as text."""
        until = f"until {self.until:%Y-%m-%d %H:%M:%S}" if self.until else "until now"
        arms = ", ".join(f"version {arm.version} ({arm.weight:.0%})" for arm in self.route.arms)
        yield f"{self.model} at {self.at:%Y-%m-%d %H:%M:%S} UTC: {arms}"
        yield f"  ordered {self.since:%Y-%m-%d %H:%M:%S} by {self.route.actor}, {until}"
        yield f"  because {self.route.reason}"
        for version in self.versions:
            commit = version.code.commit or version.code.digest[:19]
            yield (
                f"  version {version.number}: dataset {version.dataset[:19]}, data until "
                f"{version.data_end:%Y-%m-%d %H:%M}, code {commit[:19]}, run {version.run}"
            )
        if self.verdict is not None:
            yield f"  gate: {self.verdict.outcome}; {self.verdict.sentence}"
        counts = ", ".join(f"version {n}: {rows} rows" for n, rows in self.answered.items())
        yield f"  answered in that minute: {counts or 'nothing'}"
        yield f"  evidence: event {self.event}, {self.event_hash[:19]}"


def status_of(container: Container, model: str) -> ModelStatus:
    """How one model is now.

    Raises:
        NotFoundError: when there is no such model.
    """
    from holdfast.loop.kept import read_kept  # with it comes Polars, which the other views spare

    store, now = container.store, container.clock.now()
    with store.read() as tx:
        store.models.get(tx, model)
        route = store.routes.current(tx, model)
        active = store.releases.active(tx, model)
        servers = tuple(
            report
            for report in store.servers.list(tx, container.wall() - SERVER_SILENCE)
            if not report.epochs or model in report.epochs or model in report.problems
        )
        jobs = store.jobs.active(tx, model)
        incidents = store.incidents.list(tx, model, open_only=True)
        undelivered = _undelivered(container, tx, model)
        decided = store.decisions.list(tx, model, limit=1)
        seen = read_kept(store.looks.latest(tx, model))
    live = None if route is None else container.version_record(model, route.champion.version)
    answered = _answered(container, model, now - timedelta(days=1), now)
    return ModelStatus(
        model=model,
        task=container.spec(model).model.task,
        live=live,
        route=route,
        release=active[-1] if active else None,
        servers=servers,
        jobs=jobs,
        incidents=incidents,
        predictions=sum(answered.values()),
        recorded_until=container.recorded_until(),
        recorder=recorder_state(container),
        undelivered=undelivered,
        decision=decided[0] if decided else None,
        monitors=() if seen is None or seen.arming is None else seen.arming.monitors,
    )


def _undelivered(container: Container, tx: Connection, model: str) -> tuple[Notification, ...]:
    since = container.wall() - timedelta(days=7)
    states = (NotificationState.WAITING, NotificationState.GIVEN_UP)
    found = container.store.notifications.list(tx, model, states=states, limit=20)
    return tuple(
        one
        for one in found
        if (one.said if one.state == NotificationState.WAITING else one.due_at > since)
    )


def versions_of(container: Container, model: str) -> list[VersionRow]:
    """Every version of a model, newest first."""
    store = container.store
    metric = container.spec(model).gate.measured
    versions = container.ask(store.versions.list, model, 10_000)
    with store.read() as tx:
        route = store.routes.current(tx, model)
        rows = []
        for version in versions:
            verdict = store.verdicts.latest(tx, model, version.number)
            release = latest_release(container, tx, model, version.number)
            role = "" if release is None else release.state.value.replace("_", " ")
            if route is not None and route.champion.version == version.number:
                role = "live"
            rows.append(_row(version, role, verdict, metric))
    return rows


def _row(version: Version, role: str, verdict: Verdict | None, metric: str) -> VersionRow:
    found = next((m for m in version.metrics if m.name == metric), None)
    # That a compiled model agrees is the rule; why there is none is worth a line.
    why = version.predictor_note if version.predictor != "onnx" else ""
    note = f": {why}" if why else ""
    return VersionRow(
        version=version,
        role=role,
        verdict="" if verdict is None else verdict.outcome,
        metric=""
        if found is None
        else f"{metric} {found.value:.3f} ({found.low:.3f}–{found.high:.3f})",
        served_by=f"{version.predictor}{note}",
    )


def history_of(container: Container, model: str | None, limit: int | None) -> list[HistoryLine]:
    """What happened, newest first."""
    events = container.ask(container.store.events.list, model=model, limit=limit or 1_000_000_000)
    return [
        HistoryLine(
            seq=event.seq,
            at=event.at,
            kind=event.kind,
            model=event.model,
            actor=event.actor,
            sentence=str(event.body.get("sentence", "")),
        )
        for event in events
    ]


def live_at(container: Container, model: str, at: datetime) -> LiveAt:
    """Which version answered at a time.

    Raises:
        NotFoundError: when nothing was live then.
    """
    store = container.store
    with store.read() as tx:
        store.models.get(tx, model)
        route = store.routes.at(tx, model, at)
        if route is None:
            raise NotFoundError(
                "live_at.nothing",
                f"nothing of {model} was live at {at:%Y-%m-%d %H:%M:%S} UTC",
                "See 'holdfast history' for when it began.",
            )
        later = [r for r in store.routes.history(tx, model, 10_000) if r.epoch == route.epoch + 1]
        release = latest_release(container, tx, model, route.champion.version)
        verdict = store.verdicts.latest(tx, model, route.champion.version)
        event = _event_of(store.events.list(
            tx, model=model, kinds=["route.changed"], since=route.created_at, limit=1_000_000
        ), route)  # fmt: skip
    minute = timedelta(seconds=30)
    return LiveAt(
        model=model,
        at=at,
        route=route,
        since=route.created_at,
        until=later[0].created_at if later else None,
        versions=tuple(container.version_record(model, arm.version) for arm in route.arms),
        answered=_answered(container, model, at - minute, at + minute),
        release=release,
        verdict=verdict,
        event=None if event is None else event.seq,
        event_hash="" if event is None else event.hash,
    )


def _event_of(events: tuple[Event, ...], route: Route) -> Event | None:
    for event in events:
        if msgspec.convert(event.body["route"], Route).epoch == route.epoch:
            return event
    return None


def _answered(container: Container, model: str, start: datetime, end: datetime) -> dict[int, int]:
    """Rows that each version answered to callers."""
    counts = container.log.counts(model, start, end)
    live = counts.filter(counts["role"] == "live")
    return dict(zip(live["version"].to_list(), live["rows"].to_list(), strict=True))
