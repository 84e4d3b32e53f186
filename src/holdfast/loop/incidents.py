"""Incidents: one open story for each model that goes wrong, from first finding to the cure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from holdfast.errors import ConflictError
from holdfast.loop.container import Container, replace
from holdfast.loop.notices import incident_over, incident_taken, incident_told, troubles_of
from holdfast.monitoring.held import outlives
from holdfast.ports.ids import new_id
from holdfast.records import Causes, Decision, Finding, Incident, Reference


def tell(
    container: Container,
    tx: Connection,
    findings: Sequence[Finding],
    decision: Decision,
    causes: Causes | None = None,
    level: float | None = None,
) -> Incident | None:
    """Opens the model's incident, or adds to the open one; None when there is nothing to tell.

    Args:
        container: the wiring.
        tx: the transaction.
        findings: of this look.
        decision: what was decided.
        causes: what carries the loss.
        level: the loss that is tolerated of the version, for an incident of measured loss.
    """
    store = container.store
    news = [finding for finding in findings if finding.pages]
    open_now = store.incidents.list(tx, decision.model, open_only=True)
    if not news and decision.action == "nothing":
        return None
    if open_now:
        incident = open_now[0]
    elif news or decision.action in ("alert", "block", "roll_back"):
        incident = Incident(
            id=new_id("inc"),
            model=decision.model,
            version=decision.version or 0,
            state="open",
            title=news[0].sentence if news else decision.reason,
            opened_at=container.clock.now(),
        )
    else:
        return None
    troubles = _joined(incident.troubles, troubles_of(findings, decision))
    told = replace(
        incident,
        troubles=troubles,
        causes=causes or incident.causes,
        level=incident.level if incident.level is not None else _level(findings, level),
        paged=incident.paged or bool(news),
        findings=_joined(incident.findings, [finding.id for finding in findings]),
        decisions=_joined(
            incident.decisions, [decision.id] if decision.action != "nothing" else []
        ),
    )
    if told != incident or not open_now:
        store.incidents.save(tx, told)
        if not open_now:
            _event(container, tx, "incident.opened", told, told.title)
        if not open_now or troubles != incident.troubles:
            incident_told(container, tx, told, findings, decision, worse=bool(open_now))
    return told


def close_open(container: Container, tx: Connection, model: str, why: str) -> None:
    """Closes what is open of a model, because it was cured."""
    for incident in container.store.incidents.list(tx, model, open_only=True):
        _close(container, tx, incident, why, "holdfast")


def went_live(container: Container, tx: Connection, model: str, number: int, why: str) -> None:
    """Closes what is open of a model, unless the version that went live would tolerate more."""
    policy = container.spec(model).monitor
    for incident in container.store.incidents.list(tx, model, open_only=True):
        again = incident.version == number
        if incident.level is None or not outlives(
            incident.level, _reference(container, model, number), policy, again=again
        ):
            _close(container, tx, incident, why, "holdfast")
            continue
        sentence = f"{why}; the incident stays open until the loss is back at {incident.level:.3f}"
        _event(container, tx, "incident.held", incident, sentence)


def held_level(container: Container, tx: Connection, model: str, since: datetime) -> float | None:
    """The level that an open incident, which began before the live version, holds it to."""
    for incident in container.store.incidents.list(tx, model, open_only=True):
        if incident.level is not None and incident.opened_at <= since:
            return incident.level
    return None


def _reference(container: Container, model: str, number: int) -> Reference:
    return container.reference(container.version(model, number))


def _level(findings: Sequence[Finding], level: float | None) -> float | None:
    """Only an incident of measured loss has one."""
    measured = any(one.kind == "realised_loss" and one.pages for one in findings)
    return level if measured else None


def close_by_hand(container: Container, incident_id: str, why: str) -> Incident:
    """Closes one incident.

    Raises:
        NotFoundError: when there is none of this id.
        ConflictError: when it is closed already.
    """
    with container.store.begin("incident.close") as tx:
        incident = container.store.incidents.get(tx, incident_id)
        if incident.state == "closed":
            raise ConflictError("incident.closed", f"{incident_id} is closed already")
        return _close(container, tx, incident, why, "operator")


def acknowledge(container: Container, incident_id: str, who: str) -> Incident:
    """Notes who looks after an incident.

    Raises:
        NotFoundError: when there is none of this id.
        ConflictError: when it is closed, or somebody does already.
    """
    with container.store.begin() as tx:
        incident = container.store.incidents.get(tx, incident_id)
        if incident.state == "closed":
            raise ConflictError("incident.closed", f"{incident_id} is closed already")
        if incident.acknowledged_by:
            raise ConflictError(
                "incident.acknowledged",
                f"{incident.acknowledged_by} looks after {incident_id} already",
            )
        taken: Incident = replace(incident, acknowledged_by=who)
        container.store.incidents.save(tx, taken)
        _event(container, tx, "incident.acknowledged", taken, f"{who} looks after it", who)
        incident_taken(container, tx, taken)
    return taken


def _close(
    container: Container, tx: Connection, incident: Incident, why: str, actor: str
) -> Incident:
    closed: Incident = replace(
        incident, state="closed", closed_at=container.clock.now(), closed_because=why
    )
    container.store.incidents.save(tx, closed)
    _event(container, tx, "incident.closed", closed, why, actor)
    incident_over(container, tx, closed)
    return closed


def _event(
    container: Container, tx: Connection, kind: str, incident: Incident, sentence: str,
    actor: str = "holdfast",
) -> None:  # fmt: skip
    container.store.events.append(
        tx, container.clock.now(), kind, incident.model, actor,
        {"sentence": sentence, "incident": incident.to_dict()},
    )  # fmt: skip


def _joined(known: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    return (*known, *(item for item in more if item not in known))
