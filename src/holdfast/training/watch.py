"""Watches a process and everything it started: time, memory, and a clean end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Literal

import psutil

POLL_SECONDS = 0.02  # a result that is there is what the caller waits for
MEMORY_SECONDS = 0.2
GRACE_SECONDS = 20.0  # for the end of a process that already left its result

Reason = Literal["ended", "timeout", "memory"]


def watch(
    process: subprocess.Popen[bytes],
    *,
    timeout: float,
    memory: int,
    finished: Callable[[], bool],
    keep: bool = False,
) -> Reason:
    """Waits for a process that leads its own session; when it returns nothing of it is left.

    Memory is the resident memory of the process and all its descendants, looked at five times a
    second. A limit on address space (``RLIMIT_AS``) would be exact, but OpenMP, ONNX Runtime and
    Arrow reserve far more addresses than they use. Pages that processes share count for each.

    Args:
        process: started with ``start_new_session=True``.
        timeout: longest it may run, in seconds.
        memory: most bytes it and its descendants may hold.
        finished: whether its result is there; it then gets a short grace to end by itself.
        keep: once its result is there, return and let it live.

    Returns:
        Why it ended: by itself, or because one of the limits was reached.
    """
    deadline = time.monotonic() + timeout
    measured = 0.0
    reason: Reason = "ended"
    done = False
    handle = os.pidfd_open(process.pid)
    try:
        while not select.select([handle], [], [], POLL_SECONDS)[0]:
            if not done and finished():
                done = True
                if keep:
                    return reason
                deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
            if time.monotonic() > deadline:
                reason = "ended" if done else "timeout"
                break
            if time.monotonic() < measured + MEMORY_SECONDS:
                continue
            measured = time.monotonic()
            if resident_memory(process.pid) > memory:
                reason = "memory"
                break
    finally:
        os.close(handle)
        if not (keep and done):
            end_all(process)
    return reason


def resident_memory(pid: int) -> int:
    """Resident bytes of a process and its descendants; 0 when it is gone."""
    total = 0
    for member in _family(pid):
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def end_all(process: subprocess.Popen[bytes]) -> None:
    """Kills a process, its session and its descendants, and collects it."""
    family = _family(process.pid)
    # The leader is not collected yet, so its number cannot belong to another group by now.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.wait()


def _family(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []
