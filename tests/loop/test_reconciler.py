"""The reconciler: everything in order, each step once, one leader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from holdfast.loop.container import replace
from holdfast.loop.reconciler import LEASE, Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.triggers import ask_for_training
from holdfast.records import JobState
from holdfast.store.models import ModelEntry


def _reconciler(home: Any) -> Reconciler:
    container = home.container
    return Reconciler(container, Releasing(container, lambda _: None), container.wall)


def test_train_gate_release_in_order_and_each_once(live: Any, wait: Callable[..., Any]) -> None:
    """Beside a model that fails, and with a new control plane again and again."""
    container = live.container
    broken = live.project / "broken"
    broken.mkdir()
    (broken / "holdfast.toml").write_text("[model")
    entry = ModelEntry(name="aaa", root=str(broken), text="", added_at=live.clock.now())
    with container.store.begin() as tx:
        container.store.models.save(tx, entry)
        jobs = container.store.jobs
        odd = jobs.enqueue(tx, "odd", "train", "aaa", {"origin": "loop"}, live.clock.now())
        jobs.take(tx, odd.id, 1, 0.0)
        jobs.finish(tx, odd.id, {}, live.clock.now())  # a result without a version
    job = ask_for_training(container, "tiny", "ana", "new data")
    live.later(days=1)
    first, other = _reconciler(live), _reconciler(live)

    def passes() -> bool:
        first.tick()
        other.reconcile("tiny")  # a second control plane that believes to lead
        route = container.ask(container.store.routes.current, "tiny")
        return route.champion.version == 4 and not first._runner._started

    wait(passes, 120)
    for _ in range(5):
        first.tick()
        other.tick()
    kinds = Counter(
        event.kind for event in live.events() if event.model == "tiny" and event.seq > 0
    )
    assert kinds["training.ordered"] == 1
    assert kinds["release.started"] == 2, "version 1 by hand, 4 by the loop"
    judged = [e.body["verdict"]["version"] for e in live.events("gate.judged")]
    assert judged == [1, 2, 4]
    recent = container.ask(container.store.jobs.recent, "tiny", 100)
    mine = [one for one in recent if one.payload.get("origin") == "loop"]
    assert [(one.kind, one.state, one.attempt) for one in reversed(mine)] == [
        ("train", JobState.DONE, 1), ("gate", JobState.DONE, 1),
    ]  # fmt: skip
    assert mine[-1].id == job.id
    order = [e.kind for e in live.events() if e.kind in (
        "training.ordered", "version.registered", "release.started")]  # fmt: skip
    assert order[-3:] == ["training.ordered", "version.registered", "release.started"]
    assert container.registry.aliases("tiny") == {"champion": 4}
    assert "aaa" in first._failing
    assert container.ask(container.store.events.verify).count == len(live.events())


def test_what_is_not_automatic_waits_for_a_person(live: Any) -> None:
    container, store = live.container, live.container.store
    live.edit('strategy = "direct"', 'strategy = "direct"\nautomatic = false')
    with store.begin() as tx:
        job = store.jobs.enqueue(tx, "k", "train", "tiny", {"origin": "loop"}, live.clock.now())
        store.jobs.take(tx, job.id, 1, 0.0)
        store.jobs.finish(tx, job.id, {"version": 2}, live.clock.now())
    _reconciler(live).tick()
    assert container.ask(store.routes.current, "tiny").champion.version == 1
    live.edit("automatic = false", "automatic = true")
    _reconciler(live).tick()
    assert container.ask(store.routes.current, "tiny").champion.version == 2
    Releasing(container).rollback("tiny", actor="ana", reason="no")
    _reconciler(live).tick()
    route = container.ask(store.routes.current, "tiny")
    assert route.champion.version == 1, "what a person took back is not released again"


def test_an_old_version_of_the_loop_is_not_released_over_a_newer_one(live: Any) -> None:
    store = live.container.store
    with store.begin() as tx:
        job = store.jobs.enqueue(tx, "k", "train", "tiny", {"origin": "loop"}, live.clock.now())
        store.jobs.take(tx, job.id, 1, 0.0)
        store.jobs.finish(tx, job.id, {"version": 2}, live.clock.now())
    Releasing(live.container).start("tiny", version=3, actor="ana", force="newer")
    _reconciler(live).tick()
    assert live.container.ask(store.routes.current, "tiny").champion.version == 3


class Counting(Reconciler):
    """Counts its passes."""

    passes = 0

    def tick(self) -> None:
        self.passes += 1


OTHER = """
import sys, threading
from pathlib import Path
from holdfast.loop.container import Container
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.settings import load_settings
container = Container(load_settings(Path()), Path())
class Telling(Reconciler):
    def tick(self):
        print("pass", flush=True)
Telling(container, Releasing(container), container.wall).run(threading.Event(), 0.02)
"""


def test_one_of_two_leads_and_the_other_takes_over(trained: Any, wait: Callable[..., Any]) -> None:
    container = trained.container
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER], cwd=trained.project, env=trained.environment,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == b"pass\n"
    mine = Counting(container, Releasing(container), container.wall)
    stop = threading.Event()
    thread = threading.Thread(target=mine.run, args=(stop, 0.02))
    thread.start()
    for _ in range(20):
        assert other.stdout.readline() == b"pass\n"
    assert mine.passes == 0
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    other.stdout.close()
    wait(lambda: mine.passes > 0, 15)
    stop.set()
    thread.join()
    now = container.wall()
    assert container.ask(container.store.leases.holder, LEASE, now) is None, "given back"


def test_a_failing_pass_does_not_end_the_reconciler(trained: Any, wait: Callable[..., Any]) -> None:
    class Failing(Counting):
        def tick(self) -> None:
            super().tick()
            if self.passes == 1:
                raise RuntimeError("for once")

    container = trained.container
    failing = Failing(container, Releasing(container), container.wall)
    stop = threading.Event()
    thread = threading.Thread(target=failing.run, args=(stop, 0.01))
    thread.start()
    wait(lambda: failing.passes > 3)
    stop.set()
    thread.join()
    assert failing._failing == {}


def test_the_spec_of_a_model_whose_file_changed_is_read_anew(live: Any) -> None:
    container = live.container
    assert container.spec("tiny").gate.min == 0.6
    live.edit("min = 0.6", "min = 0.7")
    assert container.spec("tiny").gate.min == 0.7
    assert replace(container.spec("tiny").gate, min=None).min is None
