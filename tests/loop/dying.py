"""A process that forks one child for each order on its standard input, and lets it die.

What takes long, the imports, is done once. An order is a line of JSON: the project's folder, its
environment, the scenario, and the point at which the child dies (empty: nowhere). The answer is a
line with the child's pid, and when it has ended one with its wait status.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path

from holdfast.errors import ConflictError, NotFoundError
from holdfast.loop import gating, incidents, pipeline  # noqa: F401 (for the children)
from holdfast.loop.container import Container
from holdfast.loop.job import run_job
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.settings import load_settings
from holdfast.loop.triggers import ask_for_training
from holdfast.ports import faults

MODEL = "tiny"


def reconciler(container: Container) -> Reconciler:
    return Reconciler(container, Releasing(container, lambda _: None), container.wall)


def settle(container: Container) -> None:
    """Passes without jobs and looks."""
    one = reconciler(container)
    for _ in range(3):
        one.steer(MODEL)


def approve(container: Container) -> None:
    """A person agrees; whoever does not know whether it was taken says it again."""
    try:
        Releasing(container, lambda _: None).approve(MODEL, version=2, actor="bob")
    except (ConflictError, NotFoundError):
        settle(container)
    settle(container)


def take_back(container: Container) -> None:
    """A person rolls back; again when it was not done."""
    route = container.ask(container.store.routes.current, MODEL)
    if route.champion.version == 2:
        back = Releasing(container, lambda _: None)
        back.rollback(MODEL, actor="ana", reason="it is bad", to=1)
    settle(container)


def decide(container: Container) -> None:
    """Looks at what went wrong, each after a new start; then a person closes the incident."""
    for _ in range(2):
        reconciler(container).look(MODEL)
    for incident in container.ask(container.store.incidents.list, MODEL, open_only=True):
        incidents.close_by_hand(container, incident.id, "seen")


def train(container: Container) -> None:
    """An ordered training, its gate and its release, the jobs in this process."""
    _order(container)
    settle(container)
    while jobs := container.ask(container.store.jobs.active):
        for job in jobs:
            run_job(container, job.id)
        settle(container)


def spawn(container: Container) -> None:
    """The same, the jobs in processes of their own."""
    _order(container)
    one, active = reconciler(container), True
    while active:
        active = bool(container.ask(container.store.jobs.active))
        one.steer(MODEL)  # after a job that ended it may order the next
        active |= bool(container.ask(container.store.jobs.active))
        one._runner.tick()
        time.sleep(0.05)
    settle(container)


def _order(container: Container) -> None:
    known = container.ask(container.store.jobs.recent, MODEL, 50)
    if not any(job.payload.get("actor") == "ana" for job in known):
        ask_for_training(container, MODEL, "ana", "new data")


def run(container: Container) -> None:
    """A control plane, until it is killed."""
    reconciler(container).run(threading.Event(), 0.02)


SCENARIOS = {one.__name__: one for one in (settle, approve, take_back, decide, train, spawn, run)}


def child(order: dict[str, object]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["project"])
    said = os.open("child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    try:
        project = Path(order["project"])
        container = Container(load_settings(project), project)
        faults.arm(order["point"])
        SCENARIOS[order["scenario"]](container)
        os._exit(0)
    except BaseException:  # noqa: BLE001 (a child never goes back to the loop below)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        print(pid, flush=True)  # noqa: T201
        print(os.waitpid(pid, 0)[1], flush=True)  # noqa: T201
