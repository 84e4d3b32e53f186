"""The story of one incident: findings, decisions and what was done, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from holdfast.control.around import causes, quality_around, strength, window_of
from holdfast.control.contexts import IncidentPage
from holdfast.control.panels import Moment, Tone
from holdfast.control.report.drift_map import drift_map
from holdfast.control.report.page import both
from holdfast.control.seen import read_looks
from holdfast.control.words import kind_of
from holdfast.loop.container import Container
from holdfast.loop.stints import stints
from holdfast.records import Decision, Event, Finding, Incident

_ACTIONS = ("route.changed", "release.started", "release.moved", "alias.moved", "incident.held")
_MOST = 300
# What is done about an incident is often written in the pass that opened it, a moment before.
_BEFORE = timedelta(seconds=5)


def incident_page(container: Container, incident_id: str) -> IncidentPage:
    """``/incidents/{id}``.

    Raises:
        NotFoundError: when there is none of this id.
    """
    store = container.store
    with store.read() as tx:
        incident = store.incidents.get(tx, incident_id)
        findings = [store.findings.find(tx, one) for one in incident.findings]
        decisions = [store.decisions.find(tx, one) for one in incident.decisions]
        events = store.events.list(
            tx, model=incident.model, since=incident.opened_at - _BEFORE, limit=10_000
        )
        lived = stints(store.routes.history(tx, incident.model, 10_000))
        looks = read_looks(store.looks.history(tx, incident.model))
    found = tuple(one for one in findings if one is not None)
    now, block = container.clock.now(), container.spec(incident.model).monitor.block
    window = window_of(incident, found, block, now)
    moved, known = causes(looks, lived, block, window)
    decided = tuple(one for one in decisions if one is not None)
    moments = [
        *_opened(incident),
        *_found(found),
        *_decided(decided, found),
        *_done(events, incident),
    ]
    return IncidentPage(
        title=f"Incident of {incident.model}",
        at=now,
        incident=incident,
        findings=tuple((one, strength(one)) for one in found),
        decisions=decided,
        timeline=tuple(sorted(moments, key=lambda one: (one.at, one.place))),
        quality=quality_around(looks, lived, found, block, window),
        causes=moved,
        compared=known,
        map=both(
            lambda width: drift_map(moved, *window, block, [one.since for one in lived], width)
        )
        if moved
        else None,
    )


def _opened(incident: Incident) -> Iterator[Moment]:
    how = "and somebody was paged" if incident.paged else "without a page"
    text = f"The incident was opened, {how}."
    yield Moment(incident.opened_at, "opened", "bad", text, "holdfast", place=2)
    if incident.closed_at is not None:
        text = f"The incident was closed: {incident.closed_because}"
        yield Moment(incident.closed_at, "closed", "good", text, place=4)


def _found(findings: Sequence[Finding]) -> Iterator[Moment]:
    for one in findings:
        tone: Tone = "bad" if one.pages else "warn"
        yield Moment(one.at, kind_of(one), tone, one.sentence, "monitor", place=0)


def _decided(decisions: Sequence[Decision], findings: Sequence[Finding]) -> Iterator[Moment]:
    for one in decisions:
        action = one.action.replace("_", " ")
        text = _reason(one, findings)
        yield Moment(one.at, f"decision: {action}", "busy", text, "holdfast", place=1)


def _reason(decision: Decision, findings: Sequence[Finding]) -> str:
    """Why it was decided, without the sentence of a finding that the timeline has already."""
    for one in findings:
        if decision.reason.startswith(one.sentence):
            rest = decision.reason.removeprefix(one.sentence).strip()
            return f"Because of the {kind_of(one)}. {rest}".strip()
    return decision.reason


def _done(events: Sequence[Event], incident: Incident) -> Iterator[Moment]:
    end = incident.closed_at
    told: list[str] = []
    for event in list(reversed(events))[:_MOST]:
        within = end is None or event.at <= end + _BEFORE
        if within and (event.kind in _ACTIONS or event.kind.startswith("job.")):
            sentence = str(event.body.get("sentence", ""))
            if event.kind == "route.changed" and any(one in sentence for one in told):
                continue  # it says again what the release said that caused it
            told.append(sentence)
            kind = event.kind.replace(".", " ")
            yield Moment(event.at, kind, "quiet", sentence, event.actor, place=3)
