"""A notification: one message to people, for one channel, on its way there or delivered."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from holdfast.records.base import Record, Time, digest

NotificationEvent = Literal[
    "opened", "worse", "acknowledged", "closed", "waiting", "answered", "ended", "test"
]
Severity = Literal["critical", "warning", "info"]


class NotificationState(StrEnum):
    """Where a notification is. All but the first are ends."""

    WAITING = "waiting"  # to be sent, or to be sent again
    SENT = "sent"  # the other side took it
    GIVEN_UP = "given_up"  # tried for as long as the channel allows
    REHEARSED = "rehearsed"  # written in a rehearsal, which wakes nobody


class Fact(Record, frozen=True, kw_only=True):
    """One line of a message: what it is about, and a sentence."""

    name: str
    text: str


class Notification(Record, frozen=True, kw_only=True):
    """What one channel is told about one cause; told at least once, with the same id each time.

    Args:
        id: follows from channel and cause: the receiver's means to tell a repetition.
        channel: name of the ``[[notify]]`` table.
        cause: the story and what became of it, such as ``inc-5f0c:opened``.
        story: id of the incident or release; groups messages at the receiver.
        topic: which of the channel's ``on`` it belongs to.
        title: one line.
        facts: what happened, since when, how sure, what the loop did.
        link: page of the dashboard; empty when its address is not known.
        command: what to type to act on it.
        since: when the story began; ``at`` is when this happened.
        due_at: when it is sent next; ``until`` is when it is given up.
        attempts: how often it was begun to send.
        said: what came back last, one line.
    """

    id: str
    model: str
    channel: str
    cause: str
    story: str
    topic: str
    event: NotificationEvent
    severity: Severity
    title: str
    facts: tuple[Fact, ...]
    command: str
    since: Time
    at: Time
    due_at: Time
    until: Time
    link: str = ""
    state: NotificationState = NotificationState.WAITING
    attempts: int = 0
    sent_at: Time | None = None
    said: str = ""


def notification_id(model: str, channel: str, cause: str) -> str:
    """The id that follows from channel and cause.

    >>> notification_id("churn", "slack", "inc-1:opened")[:8]
    'ntf-c180'
    """
    text = "\n".join((model, channel, cause))
    return "ntf-" + digest(text.encode()).removeprefix("sha256:")[:24]
