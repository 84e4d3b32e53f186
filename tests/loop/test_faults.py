"""Killed at every fault point and started again: nothing is lost, nothing happens twice."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import holdfast
from holdfast.loop.container import Container
from holdfast.loop.releasing import Releasing
from holdfast.loop.settings import load_settings
from holdfast.ports.faults import POINTS, STEPS

SOURCE = Path(holdfast.__file__).parent
# The steps of each scenario of ``dying.py``, and how the world is before it.
STORIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "trained": ("settle", ("release.start", "release.move", "alias.plan", "alias.move",
                           "alias.note", "gate.queue")),
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
ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


class Life(NamedTuple):
    """A copy of a home that lives once, and is started again once."""

    home: Any
    environment: dict[str, str]
    container: Container

    @property
    def said(self) -> str:
        """What its processes wrote."""
        return (self.home.project / "child.log").read_text()


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


@pytest.fixture
def life(
    request: pytest.FixtureRequest, again: Any, transfer: Any
) -> Iterator[Callable[[Any], Life]]:
    """Copies a home as it is, with its metadata in the engine that the test is about."""
    postgres = getattr(request, "param", "sqlite") == "postgres"
    schema = request.getfixturevalue("schema") if postgres else None
    lives: list[Life] = []

    def make(home: Any) -> Life:
        lives.append(begun(home))
        return lives[-1]

    def begun(home: Any) -> Life:
        copied = again(home)
        if schema is None:
            return Life(copied, {}, copied.container)
        environment = {"HOLDFAST_DATABASE_URL": schema()}
        transfer(copied, environment["HOLDFAST_DATABASE_URL"])
        settings = load_settings(copied.project, {**copied.environment, **environment})
        return Life(copied, environment, Container(settings, copied.project))

    yield make
    for one in lives:
        one.container.store.close()


def _lives(
    home: Any, story: tuple[str, tuple[str, ...]], dying: Any, life: Callable[[Any], Life],
    state: Callable[[Any], Any],
) -> None:  # fmt: skip
    scenario, steps = story
    calm = life(home)
    assert dying.run(calm.home, scenario, **calm.environment) == 0, calm.said
    wanted = state(calm.container)
    for point in (f"{step}.{side}" for step in steps for side in SIDES):
        one = life(home)
        died = dying.run(one.home, scenario, point, **one.environment)
        assert died == signal.SIGKILL, f"{point} is not reached: {one.said}"
        assert dying.run(one.home, scenario, **one.environment) == 0, one.said
        assert state(one.container) == wanted, point


def test_every_point_has_its_place_and_its_story() -> None:
    text = "\n".join(file.read_text() for file in SOURCE.rglob("*.py"))
    named = re.findall(r'(?:store\.begin|faults\.step)\(\s*"([^"]+)"', text)
    assert sorted(named) == sorted(STEPS)
    told = [step for _, steps in (*STORIES.values(), *HEAVY.values()) for step in steps]
    assert set(told) == set(STEPS)
    assert {point.rpartition(".")[0] for point in POINTS} == set(STEPS)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("life", ENGINES, indirect=True)
def test_killed_at_every_point_ends_as_if_undisturbed(
    story: str, live: Any, traffic: Any, dying: Any, life: Any, state: Any
) -> None:
    prepare(live, story, traffic)
    _lives(live, STORIES[story], dying, life, state)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", HEAVY)
@pytest.mark.parametrize("life", ENGINES, indirect=True)
def test_killed_at_every_point_of_a_training(
    story: str, live: Any, dying: Any, life: Any, state: Any
) -> None:
    live.container.store.close()
    _lives(live, HEAVY[story], dying, life, state)
