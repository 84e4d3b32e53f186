"""Fault points: named places around every durable step, where a test lets a process die.

``HOLDFAST_FAULT=release.move.after`` ends the process with SIGKILL right after the transaction
that moves a release was stored; ``.before`` right before it is. Not set, as always but in tests, a
point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STEPS = (
    "alias.move",  # in MLflow
    "alias.note",  # of what was last seen in MLflow
    "alias.obey",
    "alias.plan",
    "alias.revert",
    "decision.make",  # with its findings, its incident and the job it queues
    "gate.judge",
    "gate.queue",
    "incident.close",
    "job.claim",
    "job.end",
    "job.spawn",
    "job.step",
    "release.approve",
    "release.move",
    "release.start",
    "release.take_back",
    "training.order",
    "version.keep",
    "version.make",  # in MLflow
)
"""Every durable step of the loop; the sources name each in one place. What the next pass finds out
anew, such as evidence and looks, is none."""

POINTS = tuple(f"{name}.{side}" for name in STEPS for side in ("before", "after"))
"""What ``HOLDFAST_FAULT`` may name."""

_armed = os.environ.get("HOLDFAST_FAULT", "")


def reach(name: str, side: str) -> None:
    """Dies here if told so."""
    if _armed and _armed == f"{name}.{side}":
        os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Lets this process die at a point; empty for none."""
    global _armed
    _armed = point


@contextmanager
def step(name: str) -> Iterator[None]:
    """A durable step that is no transaction of ours: a call of MLflow, the start of a process."""
    reach(name, "before")
    yield
    reach(name, "after")
