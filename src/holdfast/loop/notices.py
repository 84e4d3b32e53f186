"""Writes what people are to be told into the outbox, in the transaction of its cause."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from holdfast.errors import HoldfastError
from holdfast.loop.container import Container
from holdfast.loop.messages import (
    TOLD_STATES,
    Message,
    approval_answered,
    approval_wanted,
    incident_acknowledged,
    incident_closed,
    incident_opened,
    release_ended,
)
from holdfast.records import (
    Decision,
    Finding,
    Incident,
    Notification,
    NotificationState,
    Release,
    ReleaseState,
    notification_id,
)
from holdfast.spec import Notify

PEOPLE = {"none": 0, "one": 1, "two": 2}
NEEDS_PEOPLE = ("block", "roll_back")


def troubles_of(findings: Sequence[Finding], decision: Decision) -> tuple[str, ...]:
    """What makes an incident as bad as it is: kinds of what pages, and what people must know of.

    By kind and not by finding: numbers change with each look, and each must not tell anew.
    """
    kinds = {finding.kind for finding in findings if finding.pages}
    return (*sorted(kinds), *([decision.action] if decision.action in NEEDS_PEOPLE else []))


def incident_told(
    container: Container,
    tx: Connection,
    incident: Incident,
    findings: Sequence[Finding],
    decision: Decision,
    *,
    worse: bool,
) -> None:
    """An incident was opened, or got worse."""
    put(container, tx, incident_opened(incident, findings, decision, worse=worse))


def incident_taken(container: Container, tx: Connection, incident: Incident) -> None:
    """Somebody looks after an incident."""
    put(container, tx, incident_acknowledged(incident))


def incident_over(container: Container, tx: Connection, incident: Incident) -> None:
    """An incident was closed."""
    put(container, tx, incident_closed(incident))


def release_told(container: Container, tx: Connection, release: Release) -> None:
    """A release is in another state: tells those it concerns."""
    if release.state == ReleaseState.PENDING:
        if not release.approvals:
            people = PEOPLE[container.spec(release.model).release.approval]
            if people:
                put(container, tx, approval_wanted(release, people))
        return
    for channel in channels_of(container, tx, release.model):
        waited = notification_id(release.model, channel.channel, f"{release.id}:waiting")
        ended = release.state in TOLD_STATES and "release" in channel.on
        if not ended and container.store.notifications.find(tx, waited) is not None:
            _put(container, tx, channel, approval_answered(release))
        elif ended:
            _put(container, tx, channel, release_ended(release))


def put(container: Container, tx: Connection, message: Message) -> None:
    """Writes a message for each channel that wants it."""
    for channel in channels_of(container, tx, message.model):
        if message.topic in channel.on:
            _put(container, tx, channel, message)


def channels_of(container: Container, tx: Connection, model: str) -> tuple[Notify, ...]:
    """A model's channels; those that were known last, while its file is broken."""
    try:
        return container.spec(model).notify
    except HoldfastError:
        try:
            return container.store.models.get(tx, model).spec().notify
        except HoldfastError as error:
            container.warn(f"{model}: nobody can be told: {error}")
            return ()


def _put(container: Container, tx: Connection, channel: Notify, message: Message) -> None:
    container.store.notifications.add(tx, addressed(container, channel, message))


def addressed(container: Container, channel: Notify, message: Message) -> Notification:
    """A message for one channel."""
    now = container.clock.now()
    rehearsal = container.settings.clock is not None
    return Notification(
        id=notification_id(message.model, channel.channel, message.cause),
        model=message.model,
        channel=channel.channel,
        cause=message.cause,
        story=message.story,
        topic=message.topic,
        event=message.event,
        severity=message.severity,
        title=message.title,
        facts=message.facts,
        command=message.command,
        link=_link(container, message.page),
        since=message.since,
        at=now,
        due_at=now,
        until=now + channel.give_up,
        state=NotificationState.REHEARSED if rehearsal else NotificationState.WAITING,
    )


def _link(container: Container, page: str) -> str:
    """Where people find it; what the control plane left of its address, if nothing was set."""
    settings = container.settings
    root = settings.public_url or settings.control_url
    if root is None:
        try:
            root = str(json.loads((settings.home / "run" / "control.json").read_text())["url"])
        except (OSError, ValueError, KeyError):
            return ""
    return root.rstrip("/") + page
