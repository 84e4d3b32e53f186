"""Monitor, decide, act, on what the real recorder wrote."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from holdfast.errors import ConflictError, NotFoundError
from holdfast.loop import incidents, watching
from holdfast.loop.kept import read_kept
from holdfast.loop.looking import look_at
from holdfast.loop.releasing import Releasing
from holdfast.loop.views import live_at, status_of
from holdfast.loop.watching import Watching
from holdfast.records import JobState


def _watch(home: Any) -> Any:
    """As a control plane does that was just started."""
    container = home.open()
    return Watching(container, Releasing(container)).watch("tiny")


def _kinds(home: Any) -> Counter[str]:
    return Counter(event.kind for event in home.events())


def test_without_a_route_or_predictions_there_is_nothing_to_see(trained: Any) -> None:
    assert _watch(trained) is None
    Releasing(trained.container).start("tiny", version=1, actor="ana")
    assert _watch(trained) is None


def test_a_route_that_changes_during_a_look_is_looked_at_again(
    live: Any, traffic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when no further prediction comes: nothing else would call for the next look."""
    traffic(live, 3)
    container = live.open()
    one = Watching(container, Releasing(container))

    def changing(*given: Any) -> Any:
        monkeypatch.undo()
        Releasing(live.container).start("tiny", version=2, actor="ana", strategy="canary")
        return look_at(*given)

    monkeypatch.setattr(watching, "look_at", changing)
    assert one.watch("tiny") is None
    assert one.watch("tiny") is not None
    assert one.watch("tiny") is None, "there is nothing new"


def test_a_quiet_week_is_kept_and_nothing_is_found(live: Any, traffic: Any) -> None:
    ids = traffic(live, 7)
    seen = _watch(live)
    assert seen is not None
    assert [finding for finding in seen.findings if finding.pages] == []
    assert seen.labels == len(ids)
    kept = live.container.ask(live.container.store.looks.latest, "tiny")
    assert msgspec.json.decode(kept)["labels"] == len(ids)
    again = _watch(live)  # a restarted control plane keeps the estimates that were made
    assert read_kept(kept).estimates().keys() == set(seen.starts)
    assert again.adapted == seen.adapted
    assert again.arming == seen.arming
    assert not _kinds(live).keys() & {"decision.made", "incident.opened", "finding.established"}
    status = status_of(live.container, "tiny")
    assert [one.monitor for one in status.monitors] == ["realised_loss", "estimated_loss"]
    assert any("monitor of the measured loss" in line for line in status.lines())
    assert status.recorded_until is not None
    assert status.predictions > 0
    answered = live_at(live.container, "tiny", status.recorded_until)
    assert answered.versions[0].number == 1


def test_a_fall_of_quality_is_told_once_and_retrained_once(live: Any, traffic: Any) -> None:
    traffic(live, 7, wrong=True)
    seen = _watch(live)
    assert any(finding.kind == "realised_loss" for finding in seen.findings)
    first = _kinds(live)
    assert first["finding.established"] == len(seen.findings)
    assert first["decision.made"] == first["incident.opened"] == 1
    store = live.container.store
    (incident,) = live.container.ask(store.incidents.list, "tiny", open_only=True)
    assert incident.paged
    assert incident.causes.measured
    assert incident.causes.rise > 0.1
    assert incident.causes.top == (), "no input moved: what they mean did"
    assert "of it goes with no change of what comes in" in incident.causes.sentence
    shown = live.holdfast("incidents").stdout
    assert f"{incident.id}: {incident.causes.sentence}" in shown
    (listed,) = json.loads(live.holdfast("incidents", "--json").stdout)
    assert listed["causes"]["rise"] == incident.causes.rise
    (job,) = live.container.ask(store.jobs.active, "tiny")
    assert (job.kind, job.state, job.payload["origin"]) == ("train", JobState.QUEUED, "loop")
    (decision,) = [event.body["decision"] for event in live.events("decision.made")]
    assert decision["action"] == "retrain"
    assert set(decision["findings"]) <= {finding.id for finding in seen.findings}
    assert job.payload["decision"] == decision["id"]

    again = _watch(live)
    assert [f.id for f in again.findings] == [f.id for f in seen.findings]
    second = _kinds(live)
    assert second - first == Counter({"decision.made": 1})
    decision = live.events("decision.made")[-1].body["decision"]
    assert decision["action"] == "alert"
    assert "already under way" in decision["reason"]
    _watch(live)
    assert _kinds(live) == second
    assert live.container.ask(store.jobs.active, "tiny") == (job,)

    Releasing(live.container).start("tiny", version=2, actor="ana")
    closed = live.container.ask(store.incidents.get, incident.id)
    assert (closed.state, closed.closed_because) == ("closed", "version 2 went live")
    assert _kinds(live)["incident.closed"] == 1


def test_a_watched_version_that_fails_is_rolled_back(live: Any, traffic: Any) -> None:
    traffic(live, 2)
    Releasing(live.container).start("tiny", version=2, actor="ana")
    traffic(live, 5, wrong=True)
    _watch(live)
    route = live.container.ask(live.container.store.routes.current, "tiny")
    assert route.champion.version == 1
    assert live.container.registry.aliases("tiny")["champion"] == 1
    assert [event.body["decision"]["action"] for event in live.events("decision.made")] == [
        "roll_back"
    ]
    before = _kinds(live)
    _watch(live)
    assert _kinds(live)["route.changed"] == before["route.changed"]


def test_an_incident_is_closed_by_hand_once(live: Any, traffic: Any) -> None:
    traffic(live, 7, wrong=True)
    _watch(live)
    store = live.container.store
    (incident,) = live.container.ask(store.incidents.list, "tiny", open_only=True)
    closed = incidents.close_by_hand(live.container, incident.id, "a feed was wrong")
    assert (closed.state, closed.closed_because) == ("closed", "a feed was wrong")
    with pytest.raises(ConflictError):
        incidents.close_by_hand(live.container, incident.id, "again")
    with pytest.raises(NotFoundError):
        incidents.close_by_hand(live.container, "inc-none", "x")


def _held(live: Any, traffic: Any) -> Any:
    """An incident of measured loss, and a version that tolerates that loss went live after it."""
    traffic(live, 7, wrong=True)
    _watch(live)
    store, container = live.container.store, live.container
    (incident,) = container.ask(store.incidents.list, "tiny", open_only=True)
    v1 = container.reference(container.version("tiny", 1))
    assert incident.level == pytest.approx(v1.loss_high + 0.02)
    bad = msgspec.structs.replace(v1, loss=0.6, loss_low=0.59, loss_high=0.61)
    container._references[container.version("tiny", 2).bundle] = bad
    Releasing(container).start("tiny", version=2, actor="ana")
    return incident


def test_an_incident_outlives_a_version_that_tolerates_more(live: Any, traffic: Any) -> None:
    incident = _held(live, traffic)
    store = live.container.store
    assert live.container.ask(store.incidents.get, incident.id).state == "open"
    (held,) = live.events("incident.held")
    assert "the incident stays open until the loss is back at" in held.body["sentence"]
    assert live.events("incident.closed") == []

    traffic(live, 7, wrong=True)
    seen = Watching(live.container, Releasing(live.container)).watch("tiny")
    assert seen.level == incident.level
    assert not seen.back
    decision = live.events("decision.made")[-1].body["decision"]
    assert decision["action"] in ("alert", "retrain"), "nothing is taken back"
    assert len(live.events("incident.opened")) == 1


def test_it_closes_when_the_loss_is_back(live: Any, traffic: Any) -> None:
    incident = _held(live, traffic)
    traffic(live, 1)
    watching_now = Watching(live.container, Releasing(live.container))
    watching_now.watch("tiny")
    assert live.events("incident.closed") == [], "a day may be luck"
    traffic(live, 4)
    watching_now.watch("tiny")
    (closed,) = live.events("incident.closed")
    assert closed.body["incident"]["id"] == incident.id
    assert "the measured loss is back within" in closed.body["sentence"]


def test_whoever_closes_it_accepts_the_loss(live: Any, traffic: Any) -> None:
    incident = _held(live, traffic)
    incidents.close_by_hand(live.container, incident.id, "that is how it is now")
    traffic(live, 4)
    seen = Watching(live.container, Releasing(live.container)).watch("tiny")
    assert seen.level is None
