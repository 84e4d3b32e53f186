"""Killed at every fault point and started again: nothing is lost, nothing happens twice."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.loop.releasing import Releasing
from holdfast.ports.faults import POINTS, STEPS

SOURCE = Path(holdfast.__file__).parent
# The steps of each scenario of ``dying.py``, and how the world is before it.
STORIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "trained": ("settle", ("release.start", "release.move", "alias.move", "alias.note",
                           "gate.queue")),
    "obeyed": ("settle", ("alias.obey",)),
    "reverted": ("settle", ("alias.revert",)),
    "waiting": ("approve", ("release.approve",)),
    "bad": ("take_back", ("release.take_back",)),
    "wrong": ("decide", ("decision.make", "incident.close")),
    "failing": ("decide", ("decision.make", "release.take_back")),
}  # fmt: skip
HEAVY = {
    "ordered": ("train", ("training.order", "job.claim", "job.step", "job.end", "version.make",
                          "version.keep", "gate.judge")),
    "spawned": ("spawn", ("job.spawn",)),
}  # fmt: skip
SIDES = ("before", "after")


def _done(home: Any, *numbers: int) -> None:
    """Trainings of the loop that made these versions."""
    store, now = home.container.store, home.clock.now()
    with store.begin() as tx:
        for number in numbers:
            job = store.jobs.enqueue(tx, f"k{number}", "train", "tiny", {"origin": "loop"}, now)
            store.jobs.take(tx, job.id, 1, 0.0)
            store.jobs.finish(tx, job.id, {"version": number}, now)


def prepare(home: Any, story: str, traffic: Callable[..., Any]) -> None:
    """Version 1 is live; then what the story is about."""
    container = home.container
    if story == "trained":
        _done(home, 2, 3)
    elif story in ("obeyed", "reverted"):
        if story == "reverted":
            home.edit('"direct"', '"direct"\nalias_moves = "revert"')
        container.registry.set_alias("tiny", "champion", 3)
    elif story == "waiting":
        home.edit('"direct"', '"direct"\napproval = "one"')
        Releasing(container).start("tiny", version=2, actor="ana")
    elif story == "bad":
        Releasing(container).start("tiny", version=2, actor="ana")
    elif story == "wrong":
        traffic(home, 4, wrong=True)
    elif story == "failing":
        traffic(home, 2)
        Releasing(container).start("tiny", version=2, actor="ana")
        traffic(home, 5, wrong=True)
    container.store.close()


def _lives(
    home: Any, story: tuple[str, tuple[str, ...]], dying: Any, again: Callable[[Any], Any],
    state: Callable[[Any], Any],
) -> None:  # fmt: skip
    scenario, steps = story
    calm = again(home)
    assert dying.run(calm, scenario) == 0, (calm.project / "child.log").read_text()
    wanted = state(calm.container)
    for point in (f"{step}.{side}" for step in steps for side in SIDES):
        life = again(home)
        assert dying.run(life, scenario, point) == signal.SIGKILL, f"{point} is not reached"
        assert dying.run(life, scenario) == 0, (life.project / "child.log").read_text()
        assert state(life.container) == wanted, point
        life.container.store.close()
    calm.container.store.close()


def test_every_point_has_its_place_and_its_story() -> None:
    text = "\n".join(file.read_text() for file in SOURCE.rglob("*.py"))
    named = re.findall(r'(?:store\.begin|faults\.step)\(\s*"([^"]+)"', text)
    assert sorted(named) == sorted(STEPS)
    told = [step for _, steps in (*STORIES.values(), *HEAVY.values()) for step in steps]
    assert set(told) == set(STEPS)
    assert {point.rpartition(".")[0] for point in POINTS} == set(STEPS)


@pytest.mark.parametrize("story", STORIES)
def test_killed_at_every_point_ends_as_if_undisturbed(
    story: str, live: Any, traffic: Any, dying: Any, again: Any, state: Any
) -> None:
    prepare(live, story, traffic)
    _lives(live, STORIES[story], dying, again, state)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", HEAVY)
def test_killed_at_every_point_of_a_training(
    story: str, live: Any, dying: Any, again: Any, state: Any
) -> None:
    live.container.store.close()
    _lives(live, HEAVY[story], dying, again, state)
