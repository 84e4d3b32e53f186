"""What is written into the outbox, with its cause or not at all, and once for each state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.errors import ConflictError
from holdfast.loop import incidents
from holdfast.loop.container import replace
from holdfast.loop.messages import trial
from holdfast.loop.notices import addressed
from holdfast.loop.routing import Router
from holdfast.records import (
    Causes,
    Decision,
    Finding,
    NotificationState,
    Release,
    ReleaseState,
    Step,
)

CHANNELS = """
[[notify]]
kind = "webhook"
name = "all"
url = "$HOOK"
secret = "$HOOK_SECRET"
on = ["page", "alert", "approval", "release"]

[[notify]]
kind = "pagerduty"
key = "$PAGER_KEY"
on = ["page", "approval"]
"""


@pytest.fixture
def home(untrained: Any) -> Any:
    """A project with two channels."""
    with (untrained.project / "holdfast.toml").open("a") as file:
        file.write(CHANNELS)
    untrained.container.project_spec()
    return untrained


def _finding(kind: str, pages: bool, number: int = 1) -> Finding:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return Finding(
        id=f"fnd-{kind}-{number}", model="tiny", version=1, kind=kind, subject="size", pages=pages,
        since=at - timedelta(hours=6), at=at, sentence=f"{kind} of size, number {number}.",
        value=0.1, low=0.05, high=0.2, log_e=3000.0, log_threshold=6.2, rows=2000,
    )  # fmt: skip


def _decision(action: str, number: int = 1) -> Decision:
    at = _finding("silence", pages=False).at
    return Decision(
        id=f"dec-{action}-{number}", model="tiny", version=1, action=action, trigger="quality",
        reason=f"It was decided to {action}.", at=at,
    )  # fmt: skip


def _tell(home: Any, findings: list[Finding], action: str, number: int = 1) -> Any:
    with home.container.store.begin() as tx:
        return incidents.tell(home.container, tx, findings, _decision(action, number))


def _outbox(home: Any, channel: str = "all") -> list[Any]:
    """Oldest first."""
    found = home.container.ask(home.container.store.notifications.list, "tiny", limit=1000)
    return [one for one in reversed(found) if one.channel == channel]


def _events(home: Any, channel: str = "all") -> list[str]:
    return [one.event for one in _outbox(home, channel)]


def test_an_incident_is_told_when_opened_worse_and_closed_and_never_else(home: Any) -> None:
    loss = _finding("realised_loss", pages=True)
    incident = _tell(home, [loss], "alert")
    for number in range(2, 6):  # the same state, in other numbers
        home.later(hours=1)
        _tell(home, [_finding("realised_loss", True, number)], "retrain", number)
    assert _events(home) == ["opened"]
    home.later(hours=1)
    _tell(home, [loss, _finding("contract", True)], "block")
    home.later(hours=1)
    _tell(home, [loss, _finding("contract", True, 2)], "block", 2)
    assert _events(home) == ["opened", "worse"]
    home.later(hours=1)
    with home.container.store.begin() as tx:
        incidents.close_open(home.container, tx, "tiny", "it was mended")
        incidents.close_open(home.container, tx, "tiny", "it was mended")
    assert _events(home) == _events(home, "pagerduty") == ["opened", "worse", "closed"]
    outbox = _outbox(home)
    assert {one.story for one in outbox} == {incident.id}
    assert len({one.id for one in outbox + _outbox(home, "pagerduty")}) == 6
    opened, worse, closed = ({fact.name: fact.text for fact in one.facts} for one in outbox)
    assert opened["What happened"] == "realised_loss of size, number 1."
    assert opened["Since"] == "2026-03-02 06:00 UTC"
    assert "1e1303, where 493 is needed" in opened["How sure"]
    assert "0.100 (0.050 to 0.200), on 2,000 rows" in opened["How sure"]
    assert "contract of size" in worse["What happened"]
    assert "holds back" in worse["What the loop did"]
    assert closed["Closed because"] == "it was mended"
    assert outbox[0].command == "holdfast incidents --model tiny"


def test_what_only_alerts_reaches_those_who_want_it_until_it_pages(home: Any) -> None:
    _tell(home, [_finding("silence", pages=False)], "alert")
    assert (_events(home), _events(home, "pagerduty")) == (["opened"], [])
    assert _outbox(home)[0].severity == "warning"
    home.later(hours=1)
    _tell(home, [_finding("realised_loss", pages=True)], "alert", 2)
    assert _events(home) == ["opened", "worse"]
    assert _events(home, "pagerduty") == ["worse"]


def test_nothing_is_told_of_what_was_not_stored(home: Any) -> None:
    def fails() -> None:
        with home.container.store.begin() as tx:
            incidents.tell(
                home.container, tx, [_finding("contract", pages=True)], _decision("alert")
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert _outbox(home) == []
    assert home.events() == []


def test_a_broken_file_stops_neither_the_loop_nor_the_message(home: Any) -> None:
    home.edit("[[notify]]", "[[notify")
    _tell(home, [_finding("contract", pages=True)], "alert")
    assert _events(home) == _events(home, "pagerduty") == ["opened"]


def test_somebody_looks_after_it(home: Any) -> None:
    incident = _tell(home, [_finding("contract", pages=True)], "alert")
    home.later(minutes=1)
    incidents.acknowledge(home.container, incident.id, "ana")
    with pytest.raises(ConflictError, match="ana looks after"):
        incidents.acknowledge(home.container, incident.id, "ben")
    assert _events(home, "pagerduty") == ["opened", "acknowledged"]
    home.later(minutes=1)
    incidents.close_by_hand(home.container, incident.id, "done")
    with pytest.raises(ConflictError, match="closed already"):
        incidents.acknowledge(home.container, incident.id, "ben")
    assert [e.kind for e in home.events()] == [
        "incident.opened", "incident.acknowledged", "incident.closed",
    ]  # fmt: skip


def _release(home: Any, state: ReleaseState, **changes: Any) -> Release:
    now = home.clock.now()
    return Release(
        id="rel-1", model="tiny", version=2, previous=1, plan=(Step(kind="canary", weight=0.5),),
        state=state, started_at=now, step_at=now, actor="ana", reason="because", **changes,
    )  # fmt: skip


def _save(home: Any, release: Release, kind: str = "release.moved") -> None:
    with home.container.store.begin() as tx:
        Router(home.container).save(tx, release, kind, "ana", "it moved")
    home.later(minutes=1)


def test_a_release_is_told_at_its_ends_only(home: Any) -> None:
    _save(home, _release(home, ReleaseState.PENDING), "release.started")
    _save(home, _release(home, ReleaseState.CANARY))
    assert _events(home) == []
    for state in (ReleaseState.WATCHED, ReleaseState.WATCHED, ReleaseState.ROLLED_BACK):
        _save(home, _release(home, state))
    live, back = _outbox(home)
    assert (live.cause, live.title) == ("rel-1:watched", "tiny version 2 is live")
    assert live.command == "holdfast rollback --model tiny"
    assert (back.cause, back.severity) == ("rel-1:rolled_back", "critical")
    assert back.facts[-1].text == "Version 1 answers."
    assert _events(home, "pagerduty") == []


def test_an_approval_is_asked_for_once_and_then_needed_no_more(home: Any) -> None:
    home.edit('strategy = "direct"', 'strategy = "canary"\napproval = "two"')
    waits = _release(home, ReleaseState.PENDING)
    _save(home, waits, "release.started")
    _save(home, replace(waits, approvals=("ben",)), "release.approved")
    assert _events(home) == _events(home, "pagerduty") == ["waiting"]
    asked = _outbox(home)[0]
    assert asked.title == "tiny version 2 waits for 2 people to agree"
    assert asked.command == "holdfast release 2 --approve --model tiny"
    for state in (ReleaseState.CANARY, ReleaseState.CANARY, ReleaseState.WATCHED):
        _save(home, replace(waits, approvals=("ben", "eve"), state=state))
    assert _events(home) == ["waiting", "answered", "ended"]
    assert _events(home, "pagerduty") == ["waiting", "answered"]
    assert "ben and eve agreed" in _outbox(home)[1].title


def test_an_approval_that_nobody_gave_is_needed_no_more_either(home: Any) -> None:
    home.edit('strategy = "direct"', 'strategy = "direct"\napproval = "one"')
    waits = _release(home, ReleaseState.PENDING)
    _save(home, waits, "release.started")
    _save(home, replace(waits, state=ReleaseState.ABORTED))
    assert _events(home) == ["waiting", "ended"]
    assert _events(home, "pagerduty") == ["waiting", "answered"]


def test_a_rehearsal_wakes_nobody(home: Any) -> None:
    _tell(home, [_finding("contract", pages=True)], "alert")
    assert {one.state for one in _outbox(home)} == {NotificationState.REHEARSED}
    assert home.container.ask(home.container.store.notifications.waiting) == ()


def test_the_link_is_where_people_reach_the_dashboard(home: Any) -> None:
    container = home.container
    (channel, _) = container.spec("tiny").notify
    message = trial("tiny", "all", "test-1", home.clock.now())
    assert addressed(container, channel, message).link == ""
    (container.settings.folder("run") / "control.json").write_text('{"url": "http://127.0.0.1:1"}')
    assert addressed(container, channel, message).link == "http://127.0.0.1:1/models/tiny"
    container.settings = replace(container.settings, public_url="https://ml.example/")
    assert addressed(container, channel, message).link == "https://ml.example/models/tiny"


def test_people_are_told_the_likely_causes(home: Any) -> None:
    said = Causes(sentence="The mean loss has risen by 0.045, as measured.")
    with home.container.store.begin() as tx:
        loss = [_finding("realised_loss", pages=True)]
        incidents.tell(home.container, tx, loss, _decision("alert"), said)
    (message,) = _outbox(home)
    assert {fact.name: fact.text for fact in message.facts}["Likely causes"] == said.sentence
