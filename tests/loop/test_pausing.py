"""What halts a release: a pause, a freeze window; and what nothing halts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from holdfast.errors import NotFoundError
from holdfast.loop.pausing import pause, resume
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.switched import note_last_answers
from holdfast.records import Release, ReleaseState, Route

S = ReleaseState


def _tick(home: Any) -> None:
    container = home.container
    Reconciler(container, Releasing(container, lambda _: None), container.wall).reconcile("tiny")


def _route(home: Any) -> Route:
    return home.container.ask(home.container.store.routes.current, "tiny")


def _stored(home: Any, release: Release) -> Release:
    return home.container.ask(home.container.store.releases.get, release.id)


def _start(home: Any, version: int, **more: Any) -> Release:
    return Releasing(home.container).start("tiny", version=version, **{"actor": "ana", **more})


def test_a_paused_model_waits_and_a_resumed_one_goes_on(live: Any) -> None:
    pause(live.container, "tiny", actor="ana", reason="stocktaking")
    pause(live.container, "tiny", actor="bob", reason="the same again")
    release = _start(live, 2, note="for the sale")
    assert release.state == S.PENDING
    live.later(days=30)
    _tick(live)
    assert _stored(live, release).state == S.PENDING
    resume(live.container, "tiny", actor="bob", reason="counted")
    _tick(live)
    done = _stored(live, release)
    assert done.state == S.WATCHED
    assert done.notes == ("ana: for the sale", "bob: resumed (counted)")
    kinds = [event.kind for event in live.events() if event.kind.startswith("model.")]
    assert kinds[-2:] == ["model.paused", "model.resumed"]
    assert _route(live).champion.version == 2


def test_a_resumed_step_has_its_whole_time_again(live: Any) -> None:
    release = _start(live, 2, strategy="canary")
    pause(live.container, "tiny", actor="ana", reason="x")
    live.later(days=30)
    _tick(live)
    assert _stored(live, release).state == S.CANARY
    resume(live.container, "tiny", actor="ana")
    assert _stored(live, release).step_at == live.clock.now()
    _tick(live)
    assert _stored(live, release).state == S.CANARY
    live.later(days=4)
    _tick(live)
    assert _stored(live, release).state == S.INCONCLUSIVE


def test_a_model_that_does_not_exist_is_not_paused(live: Any) -> None:
    with pytest.raises(NotFoundError):
        pause(live.container, "other", actor="ana", reason="x")


def test_a_rollback_needs_neither_leave_nor_thaw(live: Any) -> None:
    _start(live, 2)
    freeze = 'strategy = "direct"\nfreeze = ["mon - sun Europe/Berlin"]'
    live.edit('strategy = "direct"', freeze)
    pause(live.container, "tiny", actor="ana", reason="x")
    assert _start(live, 3, force="please").state == S.PENDING
    releasing = Releasing(live.container)
    releasing.rollback("tiny", actor="bob", reason="bad", to=1)
    assert _route(live).champion.version == 1


def test_nothing_goes_live_in_a_freeze_window(live: Any) -> None:
    day = live.clock.now()
    end = day + timedelta(days=2)
    window = f"{day:%Y-%m-%d} - {end:%Y-%m-%d} UTC"
    live.edit('strategy = "direct"', f'strategy = "direct"\nfreeze = ["{window}"]')
    release = _start(live, 2)
    assert release.state == S.PENDING
    _tick(live)
    assert _route(live).champion.version == 1
    live.later(days=3)
    _tick(live)
    assert _stored(live, release).state == S.WATCHED


def test_blue_green_is_unseen_first_and_then_answers_everything_beside_the_old(live: Any) -> None:
    releasing = Releasing(live.container)
    release = _start(live, 2, strategy="blue_green")
    assert [(step.kind, step.weight) for step in release.plan] == [("shadow", 0), ("canary", 1)]
    assert release.state == S.SHADOW
    assert _route(live).champion.version == 1
    back = releasing.rollback("tiny", actor="bob", reason="not now")
    assert (back.state, _route(live).champion.version) == (S.ABORTED, 1)


def test_the_version_a_rollback_leads_to_is_always_loaded(live: Any) -> None:
    releasing = Releasing(live.container)

    def loaded() -> tuple[int, list[int]]:
        route = _route(live)
        return route.champion.version, sorted(arm.version for arm in route.resident)

    _start(live, 2)
    assert loaded() == (2, [1])
    _start(live, 3, force="yes", strategy="canary")
    assert loaded() == (2, [1]), "beside the canary, which a rollback ends"
    releasing.abort("tiny", version=3, actor="ana", reason="x")
    assert loaded() == (2, [1])
    _start(live, 3, force="yes", strategy="direct")
    assert loaded() == (3, [2])
    releasing.rollback("tiny", actor="ana", reason="x")
    assert loaded() == (2, [1, 3]), "the next rollback leads to 1"


def test_the_last_answer_of_what_was_taken_back_is_read_from_the_log(
    live: Any, traffic: Any
) -> None:
    _start(live, 2)
    traffic(live, 1)
    back = Releasing(live.container).rollback("tiny", actor="ana", reason="bad")
    note_last_answers(live.container, "tiny")
    assert _stored(live, back).last_answer_in is None, "the log does not reach as far yet"
    traffic(live, 1)
    note_last_answers(live.container, "tiny")
    assert _stored(live, back).last_answer_in == 0.0
