"""Releases, by the store, the registry and the routes that they leave behind."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from holdfast.errors import ConflictError, NotFoundError
from holdfast.loop.releasing import Releasing
from holdfast.loop.views import history_of, live_at, status_of, versions_of
from holdfast.records import Release, ReleaseState, Route

S = ReleaseState


def _current(home: Any) -> Route:
    route = home.container.ask(home.container.store.routes.current, "tiny")
    assert route is not None
    return route


def _stored(home: Any, release: Release) -> Release:
    return home.container.ask(home.container.store.releases.get, release.id)


def _start(home: Any, version: int, **more: Any) -> Release:
    return Releasing(home.container).start("tiny", version=version, **{"actor": "ana", **more})


def test_the_first_version_goes_live_at_once(trained: Any) -> None:
    release = _start(trained, 1)
    assert release.state == S.WATCHED
    assert _stored(trained, release) == release
    route = _current(trained)
    assert (route.epoch, route.champion.version, route.champion.weight) == (1, 1, 1.0)
    assert trained.container.registry.aliases("tiny") == {"champion": 1}
    assert [e.kind for e in trained.events() if e.kind.startswith(("release", "route"))] == [
        "release.started", "release.moved", "route.changed",
    ]  # fmt: skip


def test_what_the_gate_has_not_passed_is_refused_but_for_force(live: Any) -> None:
    with pytest.raises(ConflictError) as error:
        _start(live, 3)
    assert error.value.code == "release.not_passed"
    assert "holdfast gate 3" in error.value.fix
    assert _current(live).champion.version == 1
    forced = _start(live, 3, force="the demo is at noon")
    assert forced.state == S.WATCHED
    assert live.events("release.started")[-1].body["sentence"].endswith("the demo is at noon")


@pytest.mark.parametrize(
    ("version", "kind", "code"),
    [(1, ConflictError, "release.already_live"), (9, NotFoundError, "registry.no_version")],
)
def test_what_cannot_be_released(live: Any, version: int, kind: type, code: str) -> None:
    with pytest.raises(kind) as error:
        _start(live, version, force="really")
    assert error.value.code == code


def test_one_release_at_a_time(live: Any) -> None:
    assert _start(live, 2, strategy="canary").state == S.CANARY
    with pytest.raises(ConflictError) as error:
        _start(live, 3, force="now")
    assert error.value.code == "release.under_way"


@pytest.mark.parametrize(("approval", "people"), [("one", ["bob"]), ("two", ["bob", "eve"])])
def test_somebody_else_has_to_agree(live: Any, approval: str, people: list[str]) -> None:
    live.edit('strategy = "direct"', f'strategy = "direct"\napproval = "{approval}"')
    release = _start(live, 2)
    assert release.state == S.PENDING
    releasing = Releasing(live.container)
    with pytest.raises(ConflictError) as error:
        releasing.approve("tiny", version=2, actor="ana")
    assert error.value.code == "release.own_approval"
    for person in people:
        assert _current(live).champion.version == 1
        release = releasing.approve("tiny", version=2, actor=person)
    assert release.state == S.WATCHED
    assert release.approvals == tuple(people)
    assert _current(live).champion.version == 2


def test_only_a_release_that_waits_is_approved(live: Any) -> None:
    releasing = Releasing(live.container)
    with pytest.raises(NotFoundError):
        releasing.approve("tiny", version=2, actor="bob")
    _start(live, 2, strategy="canary")
    with pytest.raises(ConflictError) as error:
        releasing.approve("tiny", version=2, actor="bob")
    assert error.value.code == "release.not_waiting"


@pytest.mark.parametrize("strategy", ["shadow", "canary"])
def test_an_abort_gives_the_champion_all_traffic_again(live: Any, strategy: str) -> None:
    release = _start(live, 2, strategy=strategy)
    route = _current(live)
    names = {arm.version for arm in (*route.arms, *route.shadow)}
    assert names == {1, 2}
    assert live.container.registry.aliases("tiny") == {"champion": 1, "challenger": 2}
    stopped = Releasing(live.container).abort("tiny", version=2, actor="bob", reason="looks odd")
    assert (stopped.id, stopped.state, stopped.reason) == (release.id, S.ABORTED, "looks odd")
    route = _current(live)
    assert [(arm.version, arm.weight) for arm in route.arms] == [(1, 1.0)]
    assert route.shadow == ()
    assert live.container.registry.aliases("tiny") == {"champion": 1}
    with pytest.raises(NotFoundError):
        Releasing(live.container).abort("tiny", version=2, actor="bob", reason="again")


def test_a_rollback_while_a_canary_runs_ends_the_canary(live: Any) -> None:
    _start(live, 2, strategy="canary")
    done = Releasing(live.container).rollback("tiny", actor="bob", reason="alarm")
    assert (done.version, done.state, done.previous) == (2, S.ABORTED, 1)
    assert _current(live).champion.version == 1


def test_rollbacks_go_back_and_never_forward_again(live: Any) -> None:
    releasing = Releasing(live.container)
    for version in (2, 3):
        live.later(hours=1)
        _start(live, version, force="yes")
    for version in (2, 1):
        live.later(hours=1)
        done = releasing.rollback("tiny", actor="bob", reason="worse")
        assert (done.state, done.previous) == (S.ROLLED_BACK, version)
        assert _current(live).champion.version == version
        assert live.container.registry.aliases("tiny")["champion"] == version
    with pytest.raises(ConflictError) as error:
        releasing.rollback("tiny", actor="bob", reason="worse still")
    assert error.value.code == "release.nothing_before"
    assert releasing.rollback("tiny", actor="bob", reason="no, 3", to=3).previous == 3
    assert _current(live).champion.version == 3


def test_what_was_never_live_is_not_rolled_back_to(live: Any) -> None:
    releasing = Releasing(live.container)
    for to, code in ((3, "release.never_live"), (1, "release.already_live")):
        with pytest.raises((NotFoundError, ConflictError)) as error:
            releasing.rollback("tiny", actor="bob", reason="x", to=to)
        assert error.value.code == code
    assert _current(live).epoch == 1


def test_nothing_live_nothing_to_roll_back(trained: Any) -> None:
    with pytest.raises(ConflictError) as error:
        Releasing(trained.container).rollback("tiny", actor="bob", reason="x")
    assert error.value.code == "release.nothing_live"


def test_a_promoted_version_can_be_taken_back_and_says_so(live: Any) -> None:
    releasing = Releasing(live.container)
    release = _start(live, 2)
    live.later(days=8)
    promoted = releasing.advance(release)
    assert promoted is not None
    assert promoted.state == S.PROMOTED
    live.later(hours=1)
    releasing.rollback("tiny", actor="bob", reason="late trouble")
    assert _stored(live, release).state == S.PROMOTED, "what ended stays as it ended"
    roles = {row.version.number: row.role for row in versions_of(live.container, "tiny")}
    assert roles == {1: "live", 2: "rolled back", 3: ""}


def test_a_rollback_by_two_people_at_once_goes_back_one_version(live: Any) -> None:
    for version in (2, 3):
        _start(live, version, force="yes")
    start, said = threading.Barrier(2), []

    def press() -> None:
        releasing = Releasing(live.open())
        start.wait()
        try:
            said.append(releasing.rollback("tiny", actor="bob", reason="alarm").previous)
        except ConflictError as error:
            said.append(error.code)

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Somebody who presses after the other's rollback is done goes back one more; no harm is done
    # in the same moment.
    assert said.count("release.changed") == 1 or sorted(said) == [1, 2]
    assert _current(live).champion.version == min(n for n in said if isinstance(n, int))


def test_a_forced_version_supersedes_the_one_that_is_watched(live: Any) -> None:
    first = _start(live, 2)
    _start(live, 3, force="yes")
    assert _stored(live, first).state == S.SUPERSEDED


def test_views_tell_the_same_story(live: Any) -> None:
    began = live.clock.now()
    live.later(hours=1)
    _start(live, 2)
    second = live.clock.now()
    live.later(hours=1)
    Releasing(live.container).rollback("tiny", actor="bob", reason="worse")
    container = live.container

    now = status_of(container, "tiny")
    assert now.live is not None
    assert (now.live.number, now.predictions, now.jobs, now.servers) == (1, 0, (), ())
    assert "version 1 is live" in "\n".join(now.lines())

    with pytest.raises(NotFoundError):
        live_at(container, "tiny", began.replace(year=2020))
    first = live_at(container, "tiny", began)
    assert (first.versions[0].number, first.until) == (1, second)
    then = live_at(container, "tiny", second)
    assert then.versions[0].number == 2
    assert then.route.actor == "holdfast"
    assert then.verdict is not None
    assert then.verdict.outcome == "pass"
    assert then.event is not None
    events = {event.seq: event for event in live.events()}
    assert events[then.event].hash == then.event_hash
    assert f"event {then.event}" in "\n".join(then.lines())
    last = live_at(container, "tiny", live.clock.now())
    assert (last.versions[0].number, last.until) == (1, None)

    lines = history_of(container, "tiny", None)
    assert [line.seq for line in lines] == sorted((line.seq for line in lines), reverse=True)
    assert lines[0].sentence
    assert history_of(container, "tiny", 2) == lines[:2]
    assert container.ask(container.store.events.verify).count == len(lines)
