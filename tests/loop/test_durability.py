"""Control planes as processes: killed at random, stopped and continued, without their database."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import ConflictError, HoldfastError
from holdfast.loop.leading import LEASE, LEASE_TIME
from holdfast.loop.releasing import Releasing
from holdfast.loop.triggers import ask_for_training
from holdfast.records import JobState

ROUNDS = 100
SEED = 20260302
TAKEOVER = 10.0
ENGINES = [
    pytest.param("sqlite", marks=pytest.mark.heavy),
    pytest.param("postgres", marks=pytest.mark.postgres),
]


class Planes:
    """Control planes of one home that run until they are ended."""

    def __init__(self, home: Any, dying: Callable[[], Any], url: str | None) -> None:
        self.home, self._dying = home, dying
        self.environment = {"HOLDFAST_DATABASE_URL": url} if url else {}
        self._running: dict[int, Any] = {}
        self._idle: list[Any] = []

    def start(self) -> int:
        made = self._idle.pop() if self._idle else self._dying()
        pid = made.begin(self.home, "run", **self.environment)
        self._running[pid] = made
        return pid

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        made = self._running.pop(pid)
        assert made.end() == signal.SIGKILL
        self._idle.append(made)

    def close(self) -> None:
        for pid in list(self._running):
            os.kill(pid, signal.SIGCONT)
            self.kill(pid)
        for made in self._idle:
            made.close()


def _planes(
    home: Any, url: str | None, dying: Any, transfer: Any, monkeypatch: pytest.MonkeyPatch
) -> Planes:
    if url is not None:
        home.container.store.close()
        transfer(home, url)
        environment = {**home.environment, "HOLDFAST_DATABASE_URL": url}
        monkeypatch.setattr(type(home), "environment", environment)
        home.container = home.open()
    return Planes(home, type(dying), url)


@pytest.fixture
def planes(
    request: pytest.FixtureRequest, live: Any, dying: Any, transfer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Planes]:  # fmt: skip
    postgres = request.param == "postgres"
    url = request.getfixturevalue("database_url") if postgres else None
    made = _planes(live, url, dying, transfer, monkeypatch)
    yield made
    made.close()
    live.container.store.close()


def _leader(container: Any) -> tuple[int, int] | None:
    """Pid and token of who leads."""
    with container.store.read() as tx:
        holder = container.store.leases.holder(tx, LEASE, container.wall())
    return None if holder is None else (int(holder.owner.split("/")[1]), holder.token)


def _order(container: Any, rng: random.Random) -> int:
    """A person asks for something; how many trainings that was."""
    what = rng.choice(["train", "move", "move", "wait", "wait", "wait", "wait"])
    if what == "train":
        before = len(container.ask(container.store.jobs.recent, "tiny", 1000))
        ask_for_training(container, "tiny", "ana", "new data")
        return len(container.ask(container.store.jobs.recent, "tiny", 1000)) - before
    if what == "move":
        route = container.ask(container.store.routes.current, "tiny")
        to = 2 if route.champion.version != 2 else 1
        with contextlib.suppress(ConflictError):  # the loop releases one of its own just now
            Releasing(container, lambda _: None).start(
                "tiny", version=to, actor="ana", force="a test"
            )
    return 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("planes", ENGINES, indirect=True)
def test_kill_9_at_random_loses_nothing_and_repeats_nothing(
    planes: Planes, wait: Callable[..., Any]
) -> None:
    rng, container = random.Random(SEED), planes.home.container
    store, ordered = container.store, 0
    for _ in range(ROUNDS):
        pid = planes.start()
        ordered += _order(container, rng)
        time.sleep(rng.uniform(0.0, 1.0))
        planes.kill(pid)
    planes.start()

    def quiet() -> bool:
        jobs = container.ask(store.jobs.recent, "tiny", 1000)
        live = container.ask(store.routes.current, "tiny").champion.version
        loops = [job for job in jobs if job.payload.get("origin") == "loop"]
        pending = [job for job in loops if job.state in (JobState.QUEUED, JobState.RUNNING)]
        trained = [job.result["version"] for job in loops
                   if job.kind == "train" and job.state == JobState.DONE]  # fmt: skip
        judged = [container.ask(store.verdicts.latest, "tiny", one) for one in trained]
        in_line = container.registry.aliases("tiny") == {"champion": live}
        return not pending and all(judged) and in_line

    wait(quiet, 300)
    jobs = container.ask(store.jobs.recent, "tiny", 1000)
    trainings = [job for job in jobs if job.kind == "train" and job.payload["origin"] == "loop"]
    assert len(trainings) == ordered > 0, "no order lost, none done twice"
    assert {job.state for job in jobs} == {JobState.DONE}, [job.result for job in jobs]
    made = [version.job for version in container.registry.versions("tiny")]
    assert [count for count in Counter(made).values() if count > 1] == [], "one version a training"
    home = planes.home
    judged = Counter(event.body["verdict"]["version"] for event in home.events("gate.judged"))
    assert set(judged.values()) == {1}
    loops = Counter(
        event.body["release"]["version"]
        for event in home.events("release.started")
        if event.actor == "holdfast"
    )
    assert set(loops.values()) <= {1}, "one release a version"
    epochs = [event.body["route"]["epoch"] for event in home.events("route.changed")]
    assert epochs == list(range(1, len(epochs) + 1))
    assert container.ask(store.releases.moving, "tiny") is None, "none is stuck"
    assert home.events("alias.moved") == [], "the loop's own moves are known as such"
    container.ask(store.events.verify)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("planes", ENGINES[1:], indirect=True)
@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_another_takes_over_within_ten_seconds_and_the_old_one_cannot_act(
    planes: Planes, wait: Callable[..., Any], way: str
) -> None:
    container = planes.home.container
    first = planes.start()
    wait(lambda: _leader(container) is not None, 60)
    second = planes.start()
    time.sleep(2 * 1.0)  # the second has seen who leads
    leads, token = _leader(container)
    assert leads == first
    began = time.monotonic()
    if way == "killed":
        planes.kill(first)
    else:
        os.kill(first, signal.SIGSTOP)
    wait(lambda: (_leader(container) or (0, 0))[0] == second, 60)
    took = time.monotonic() - began
    assert took < TAKEOVER, f"{way}: took over after {took:.1f} s"
    assert _leader(container)[1] > token
    Releasing(container, lambda _: None).start("tiny", version=2, actor="ana")
    wait(lambda: container.registry.aliases("tiny") == {"champion": 2}, 60)
    if way == "stopped":
        os.kill(first, signal.SIGCONT)
        time.sleep(LEASE_TIME.total_seconds())  # it has had its passes
        assert _leader(container)[0] == second
        Releasing(container, lambda _: None).start("tiny", version=1, actor="ana", force="back")
        wait(lambda: container.registry.aliases("tiny") == {"champion": 1}, 60)
        assert planes.home.events("alias.moved") == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Path, Callable[..., str]]]:
    """A PostgreSQL of its own, which a test may stop."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "HOLDFAST_POSTGRES_HOME": str(tmp_path / "postgres")}

    def script(word: str) -> str:
        done = subprocess.run(
            [root / "scripts" / "postgres.sh", word], env=environment, capture_output=True,
            text=True, check=True, timeout=120,
        )  # fmt: skip
        return done.stdout.strip()

    script("start")
    yield tmp_path / "postgres", script
    script("stop")


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_without_the_database_the_loop_waits_and_goes_on_by_itself(
    live: Any, dying: Any, transfer: Any, monkeypatch: pytest.MonkeyPatch, cluster: Any,
    wait: Callable[..., Any],
) -> None:  # fmt: skip
    _, script = cluster
    made = _planes(live, script("url"), dying, transfer, monkeypatch)
    container = live.container
    try:
        pid = made.start()
        wait(lambda: _leader(container) is not None, 60)
        script("pause")
        with pytest.raises(HoldfastError, match="cannot be used"):
            _leader(container)
        time.sleep(60)  # ten times as long as the lease
        script("resume")
        Releasing(container, lambda _: None).start("tiny", version=2, actor="ana")
        wait(lambda: container.registry.aliases("tiny") == {"champion": 2}, 60)
        assert _leader(container)[0] == pid, "the same process, not started anew"
    finally:
        made.close()
        container.store.close()


def test_a_locked_sqlite_file_is_waited_for(live: Any, wait: Callable[..., Any]) -> None:
    """Another program holds the write lock; the pass waits, and nothing is lost."""
    import sqlite3
    import threading

    from holdfast.loop.reconciler import Reconciler

    container = live.container
    Releasing(container, lambda _: None).start("tiny", version=2, actor="ana")
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    other = sqlite3.connect(live.home / "holdfast.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    thread = threading.Thread(target=one.steer, args=("tiny",))
    thread.start()
    thread.join(1.0)
    assert thread.is_alive()
    other.execute("COMMIT")
    other.close()
    thread.join(60)
    assert container.registry.aliases("tiny") == {"champion": 2}
    wait(lambda: container.ask(container.store.models.get, "tiny").champion == 2)
