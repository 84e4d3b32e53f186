"""Goes through courses in processes of their own, as many at once as there are cores."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from holdfast.errors import HoldfastError, UserCodeError
from holdfast.loop.parent import VARIABLE
from holdfast.loop.replay.course import COURSE, ERROR, OUTCOME, Course, Progress

LOG = "process.log"
BLINK = 0.2

Share = Callable[[Mapping[str, float]], None]
"""Told how much of each course is done, from 0 to 1, by its name."""


def run_here(folders: Sequence[Path], share: Share, cores: int | None = None) -> None:
    """Goes through courses on this machine. They end when this process does, however it ends.

    Args:
        folders: of the courses; those that are over are left alone.
        share: told how far they are.
        cores: processes at once; as many as this process may use by default.

    Raises:
        HoldfastError: what went wrong in the first course that failed; the others are stopped.
    """
    at_once = cores or len(os.sched_getaffinity(0))
    waiting = [folder for folder in folders if not (folder / OUTCOME).exists()]
    reading, writing = os.pipe()
    running: dict[Path, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                folder = waiting.pop(0)
                running[folder] = start(folder, reading)
            time.sleep(BLINK)
            share(shares(folders))
            for folder, process in list(running.items()):
                if process.poll() is not None:
                    del running[folder]
                    check(folder)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
        os.close(reading)
        os.close(writing)
    share(shares(folders))


def start(folder: Path, lifeline: int | None = None) -> subprocess.Popen[bytes]:
    """Starts the process of one course.

    Args:
        folder: of the course.
        lifeline: reading end of a pipe; when its other end is closed the process ends.
    """
    env = dict(os.environ)
    if lifeline is not None:
        env[VARIABLE] = str(lifeline)
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "holdfast.loop.replay.running", str(folder)],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=() if lifeline is None else (lifeline,),
        )  # fmt: skip


def check(folder: Path) -> None:
    """Raises what went wrong in a course whose process has ended.

    Raises:
        HoldfastError: as the course left it.
    """
    if (folder / OUTCOME).exists():
        return
    if (folder / ERROR).exists():
        error = msgspec.json.decode((folder / ERROR).read_bytes(), type=dict[str, str])
        if error.get("traceback"):
            raise UserCodeError(**error)
        raise HoldfastError(**error)
    raise HoldfastError(
        "replay.died",
        f"the process of the course in {folder} died",
        f"See {folder / LOG}; the same command goes on where it was.",
    )


def shares(folders: Sequence[Path]) -> dict[str, float]:
    """How much of each course is done, by its name."""
    found = {}
    for folder in folders:
        course = Course.from_json((folder / COURSE).read_bytes())
        done = 1.0
        if not (folder / OUTCOME).exists():
            until: datetime = Progress.load(folder, course.begin).until
            done = 0.99 * ((until - course.begin) / (course.end - course.begin))
        found[course.name] = done
    return found
