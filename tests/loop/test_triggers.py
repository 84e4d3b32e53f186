"""What calls for a training besides findings, and what is said when it is held back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from holdfast.errors import ConflictError
from holdfast.loop.pipeline import run_train
from holdfast.loop.releasing import Releasing
from holdfast.loop.spells import known_spells
from holdfast.loop.triggers import Plans, plans_of
from holdfast.loop.views import status_of
from holdfast.loop.watching import Watching


def _ask(home: Any, on: str, more: str = "") -> None:
    home.edit("[gate]", f'[retrain]\non = ["{on}"]\n{more}\n\n[gate]')


def _plans(home: Any) -> Plans:
    container = home.open()
    version = container.version("tiny", 1)
    return plans_of(container, container.spec("tiny"), version, home.clock.now())


def _watch(home: Any) -> None:
    container = home.open()
    Watching(container, Releasing(container)).watch("tiny")


def _decided(home: Any) -> list[tuple[str, str]]:
    events = home.events("decision.made")
    return [(one.body["decision"]["action"], one.body["sentence"]) for one in events]


def test_code_is_trained_once_it_changes_also_without_traffic(live: Any) -> None:
    _ask(live, "code")
    (live.project / "README.md").write_text("about")
    (live.project / "test_tiny.py").write_text("def test(): ...")
    assert _plans(live) == Plans()
    live.edit("rng.normal(20, 5, size=n)", "rng.normal(20, 5, size=n) * 1.0", "tiny.py")
    assert _plans(live).code
    _watch(live)
    assert [action for action, _ in _decided(live)] == ["retrain"]
    live.later(hours=1)
    _watch(live)  # it is queued, so this one waits, and says so
    action, said = _decided(live)[-1]
    assert action == "nothing"
    assert "a retrain is already under way" in said
    _watch(live)
    assert len(_decided(live)) == 2
    assert any("already under way" in line for line in status_of(live.container, "tiny").lines())


def test_a_schedule_of_the_walls_clock(live: Any) -> None:
    _ask(live, "schedule", 'schedule = "0 6 * * *"\ntimezone = "Europe/Berlin"')
    assert _plans(live) == Plans()  # it is Monday noon, and the model was added before
    live.later(hours=16, minutes=59)
    assert _plans(live) == Plans()
    live.later(minutes=1)
    due = _plans(live).schedule
    assert f"{due:%d %H:%M}" == "03 05:00"
    _watch(live)
    assert [action for action, _ in _decided(live)] == ["retrain"]
    assert _plans(live).schedule is None


def test_labels_that_are_new_data(live: Any, traffic: Any) -> None:
    _ask(live, "new_data", 'new_data = "300 rows"')
    traffic(live, 1)
    assert _plans(live) == Plans()
    traffic(live, 1)
    assert _plans(live).data.startswith("at least 300 labels since")


def test_the_same_data_and_code_make_no_second_version(live: Any) -> None:
    container = live.container
    with container.store.begin() as tx:
        job = container.store.jobs.enqueue(
            tx, "k", "train", "tiny", {"origin": "loop", "decision": "dec-1", "accept": None},
            live.clock.now(),
        )  # fmt: skip
        job = container.store.jobs.take(tx, job.id, 1, 0.0)
    with pytest.raises(ConflictError, match="version 3 was made of the same data by the same code"):
        run_train(container, job)


def test_silence_is_noticed_without_a_further_prediction(live: Any, traffic: Any) -> None:
    traffic(live, 6)
    _watch(live)
    assert _decided(live) == []
    live.later(days=5)
    from holdfast.recording.recorder import Recorder

    with Recorder(
        live.home / "spool", live.container.log, live.home / "recorder" / "main", clock=live.clock
    ) as recorder:
        recorder.drain_once()
    assert live.container.recorded_until() == live.clock.now() - timedelta(minutes=1)
    _watch(live)
    (decided,) = _decided(live)
    assert decided[0] == "alert"
    assert "has answered nothing since" in decided[1]


def test_nothing_was_broken(live: Any, traffic: Any) -> None:
    traffic(live, 2)
    _watch(live)
    assert known_spells(live.container, "tiny") == ()
