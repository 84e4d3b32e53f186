"""Seconds and peak memory of a piece of work in this process, as JSON; depends on nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path


def told(prepare: Callable[[], object], work: Callable[[object], int]) -> None:
    """Prints how long ``prepare`` and ``work`` took; imports should come before."""
    began = time.perf_counter()
    ready = prepare()
    prepared = time.perf_counter()
    found = work(ready)
    ended = time.perf_counter()
    took = {"prepared": prepared - began, "seconds": ended - prepared, "mb": _peak()}
    print(json.dumps({**took, "said": int(found)}))


def _peak() -> float:
    """The most memory this process has had; unlike rusage's, nothing of whoever started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("Linux tells the peak of memory in /proc/self/status")
