"""Delivery: once, again after a failure, with the same id after a kill, and given up in the end."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from holdfast.loop.container import Container
from holdfast.loop.courier import HOLD, LONGEST_WAIT, Courier, due, pause
from holdfast.loop.messages import trial
from holdfast.loop.notices import put
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.settings import load_settings, prepare
from holdfast.loop.views import status_of
from holdfast.records import Fact, Notification, NotificationState
from holdfast.testing.receiver import Receiver, Reply, receiving

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmnopqrstuv").decode()
CHANNELS = """
[[notify]]
kind = "webhook"
url = "$TEST_HOOK"
secret = "$TEST_HOOK_SECRET"
timeout = "30s"
give_up = "1h"

[[notify]]
kind = "slack"
url = "$TEST_SLACK"
timeout = "30s"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What names the database: nothing for SQLite, a schema of its own in PostgreSQL."""
    if request.param == "sqlite":
        yield {}
        return
    engine = create_engine(os.environ["HOLDFAST_TEST_POSTGRES"], isolation_level="AUTOCOMMIT")
    schema = f"courier_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    own = engine.url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield {"HOLDFAST_DATABASE_URL": own.render_as_string(hide_password=False)}
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def home(
    untrained: Any,
    receiver: Receiver,
    database: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Container]:
    """A project with two channels, on the time of the machine."""
    for name in ("HOLDFAST_HOME", "HOLDFAST_CLOCK", "HOLDFAST_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in database.items():  # for processes
        monkeypatch.setenv(name, value)
    with (untrained.project / "holdfast.toml").open("a") as file:
        file.write(CHANNELS)
    monkeypatch.setenv("TEST_HOOK", f"{receiver.url}/hook")
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    monkeypatch.setenv("TEST_SLACK", f"{receiver.url}/slack")
    container = Container(prepare(load_settings(untrained.project, database)), untrained.project)
    container.project_spec()
    yield container
    container.store.close()


class Wall:
    """The machine's time, moved on."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def _tell(home: Container, story: str = "inc-1", event: str = "opened") -> None:
    from holdfast.loop.container import replace

    message = trial("tiny", "any", story, home.clock.now())
    with home.store.begin() as tx:
        put(home, tx, replace(message, event=event, cause=f"{story}:{event}"))


def _outbox(home: Container) -> list[Notification]:
    return list(reversed(home.ask(home.store.notifications.list, "tiny", limit=1000)))


def _pass(courier: Courier) -> None:
    """One pass, and all that it began."""
    courier.tick()
    courier.close(120)
    assert not any(thread.is_alive() for thread in courier._flying.values())


def test_each_channel_is_told_once(home: Container, receiver: Receiver) -> None:
    courier = Courier(home, Wall())
    _tell(home)
    _tell(home)  # the same cause
    for _ in range(3):
        _pass(courier)
    assert sorted(got.path for got in receiver.got) == ["/hook", "/slack"]
    assert {one.state for one in _outbox(home)} == {NotificationState.SENT}
    assert {one.said for one in _outbox(home)} == {"200 ok"}
    assert {one.attempts for one in _outbox(home)} == {1}


def test_what_fails_is_tried_again_later_and_in_its_order(
    home: Container, receiver: Receiver
) -> None:
    wall = Wall()
    courier = Courier(home, wall)
    receiver.answer = lambda got: Reply(503 if got.path == "/hook" else 200)
    for event in ("opened", "worse", "closed"):
        _tell(home, event=event)
    for _ in range(4):
        _pass(courier)
    paths = [got.path for got in receiver.got]
    assert (paths.count("/hook"), paths.count("/slack")) == (1, 3), "one waits, one goes on"
    (failing,) = [one for one in _outbox(home) if one.attempts and one.channel == "webhook"]
    assert failing.event == "opened"
    assert "answered 503" in failing.said
    (told,) = status_of(home, "tiny").undelivered
    assert told == failing
    assert any("NOT TOLD to webhook, is tried again" in x for x in status_of(home, "tiny").lines())
    wall.ahead += LONGEST_WAIT
    receiver.answer = lambda _: Reply()
    for _ in range(4):
        _pass(courier)
    bodies = [got.body for got in receiver.got if got.path == "/hook"]
    assert [body.split(b'"')[3] for body in bodies] == [
        b"holdfast.opened", b"holdfast.opened", b"holdfast.worse", b"holdfast.closed",
    ]  # fmt: skip
    assert status_of(home, "tiny").undelivered == ()


def test_it_comes_back_no_earlier_than_it_was_asked_to(home: Container, receiver: Receiver) -> None:
    wall = Wall()
    receiver.answer = lambda _: Reply(429, headers={"Retry-After": "1800"})
    _tell(home)
    _pass(Courier(home, wall))
    assert len(receiver.got) == 2
    wall.ahead += timedelta(minutes=29)
    _pass(Courier(home, wall))
    assert len(receiver.got) == 2
    wall.ahead += timedelta(minutes=2)
    _pass(Courier(home, wall))
    assert len(receiver.got) == 4


def test_what_never_arrives_is_given_up_and_everybody_can_see_it(
    home: Container, receiver: Receiver
) -> None:
    wall = Wall()
    courier = Courier(home, wall)
    receiver.answer = lambda got: Reply(500 if got.path == "/hook" else 200)
    _tell(home)
    for _ in range(30):
        _pass(courier)
        wall.ahead += timedelta(minutes=5)
    (lost,) = [one for one in _outbox(home) if one.channel == "webhook"]
    assert lost.state == NotificationState.GIVEN_UP
    assert 4 <= lost.attempts <= 14, "an hour, at growing distances"
    given_up = home.ask(home.store.events.list, kinds=["notification.given_up"])
    assert len(given_up) == 1
    assert "did not reach webhook" in given_up[0].body["sentence"]
    home.ask(home.store.events.verify)
    assert any("NOT TOLD to webhook, was given up" in x for x in status_of(home, "tiny").lines())


def test_a_channel_that_is_gone_is_given_up_at_once(home: Container, receiver: Receiver) -> None:
    _tell(home)
    file = home.project / "holdfast.toml"  # type: ignore[operator]
    file.write_text(file.read_text().replace('kind = "slack"', 'kind = "slack"\nname = "other"'))
    os.utime(file, (2e9, 2e9))
    _pass(Courier(home, Wall()))
    assert [one.state for one in _outbox(home) if one.channel == "slack"] == [
        NotificationState.GIVEN_UP
    ]


def test_a_secret_that_is_not_set_is_said_and_tried_again(
    home: Container, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_SLACK")
    wall = Wall()
    _tell(home)
    _pass(Courier(home, wall))
    (waiting,) = [one for one in _outbox(home) if one.channel == "slack"]
    assert waiting.state == NotificationState.WAITING
    assert "needs TEST_SLACK" in waiting.said
    monkeypatch.setenv("TEST_SLACK", f"{receiver.url}/slack")
    wall.ahead += HOLD
    _pass(Courier(home, wall))
    assert [got.path for got in receiver.got].count("/slack") == 1


def test_a_silent_endpoint_holds_up_neither_the_pass_nor_the_others(
    home: Container, receiver: Receiver, wait: Any
) -> None:
    asked, slack = threading.Event(), threading.Event()

    def answer(got: Any) -> Reply:
        (asked if got.path == "/hook" else slack).set()
        return Reply(silent=got.path == "/hook")

    receiver.answer = answer
    _tell(home)
    _tell(home, "inc-2")
    reconciler = Reconciler(home, Releasing(home, lambda _: None), home.wall)
    reconciler.tick()  # returns although nobody answers
    assert asked.wait(60)
    assert slack.wait(60)

    def both() -> bool:
        reconciler.tick()
        return [got.path for got in receiver.got].count("/slack") == 2

    wait(both, 60)
    assert [got.path for got in receiver.got].count("/hook") == 1, "one at a time to a channel"
    receiver.over.set()
    reconciler._courier.close(60)


def test_of_two_control_planes_one_sends(home: Container, receiver: Receiver) -> None:
    wall = Wall()
    couriers = [Courier(home, wall) for _ in range(2)]
    for number in range(10):
        _tell(home, f"inc-{number}")
    while home.ask(home.store.notifications.waiting):
        for courier in couriers:
            courier.tick()
        for courier in couriers:
            courier.close(120)
    ids = [got.headers["webhook-id"] for got in receiver.got if got.path == "/hook"]
    assert len(ids) == len(set(ids)) == 10
    assert len(receiver.got) == 20


DELIVER = """
import sys
from pathlib import Path
from holdfast.loop.container import Container
from holdfast.loop.courier import Courier

container = Container.open(Path(sys.argv[1]))
courier = Courier(container, container.wall)
courier.tick()
courier.close(120)
"""


def test_killed_between_send_and_mark_it_is_sent_again_with_the_same_id(
    home: Container, receiver: Receiver
) -> None:
    ready = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def kill(got: Any) -> Reply:
        if got.path == "/hook":
            assert ready.wait(60)
            started[0].send_signal(signal.SIGKILL)  # it has sent, and cannot have marked
        return Reply()

    receiver.answer = kill
    _tell(home)
    started.append(subprocess.Popen([sys.executable, "-c", DELIVER, str(home.project)]))
    ready.set()
    assert started[0].wait(120) == -signal.SIGKILL
    (waits,) = [one for one in _outbox(home) if one.channel == "webhook"]
    assert (waits.state, waits.attempts) == (NotificationState.WAITING, 1)
    receiver.answer = lambda _: Reply()
    wall = Wall()
    courier = Courier(home, wall)
    for ahead in (timedelta(0), HOLD, 2 * HOLD):
        wall.ahead = ahead
        _pass(courier)
    sent = [got for got in receiver.got if got.path == "/hook"]
    assert [got.headers["webhook-id"] for got in sent] == [waits.id, waits.id]
    assert sent[0].body == sent[1].body
    assert {one.state for one in _outbox(home)} == {NotificationState.SENT}


def test_the_control_plane_delivers_what_commands_have_written(
    home: Container, receiver: Receiver, wait: Any
) -> None:
    _tell(home)
    control = subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", "control", "--port", "0"],
        cwd=home.project, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait(lambda: not home.ask(home.store.notifications.waiting), 120)
    finally:
        control.terminate()
        assert control.wait(120) == 0
    assert sorted(got.path for got in receiver.got) == ["/hook", "/slack"]


@given(st.text(min_size=1), st.integers(1, 1000), st.none() | st.floats(0, 3600))
def test_pauses_grow_within_bounds(identifier: str, attempts: int, asked: float | None) -> None:
    waits = pause(identifier, attempts, asked)
    assert waits >= timedelta(seconds=asked or 0)
    assert timedelta(seconds=2.5) <= waits <= max(LONGEST_WAIT, timedelta(seconds=asked or 0))
    assert pause(identifier, attempts, asked) == waits
    assert pause(identifier, attempts + 2) >= min(pause(identifier, attempts), LONGEST_WAIT / 2)


EVENTS = ("opened", "worse", "closed")
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-3, 3)), max_size=20))
def test_of_a_story_only_the_first_is_due(rows: list[tuple[int, int, int]]) -> None:
    waiting = tuple(
        Notification(
            id=f"ntf-{number}", model="tiny", channel="slack", cause=f"{story}:{event}",
            story=f"inc-{story}", topic="page", event=EVENTS[event], severity="info", title="t",
            facts=(Fact(name="a", text="b"),), command="", since=NOON,
            at=NOON + timedelta(hours=event), due_at=NOON + timedelta(hours=late), until=NOON,
        )
        for number, (story, event, late) in enumerate(rows)
    )  # fmt: skip
    found = due(waiting, NOON)
    assert len({one.story for one in found}) == len(found)
    for one in found:
        assert one.due_at <= NOON
        assert all(other.at >= one.at for other in waiting if other.story == one.story)
    assert all(a.attempts <= b.attempts for a, b in pairwise(found))
