"""Builders for the tests of recording."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.records import PredictionBatch

START = 1_700_000_000.0


def build_batch(number: int = 0, rows: int = 1, **changes: Any) -> PredictionBatch:
    """A batch whose content follows from its number."""
    values: dict[str, Any] = {
        "request": f"r{number:06d}",
        "model": "delay",
        "version": 1,
        "epoch": 1,
        "at": START + number,
        "role": "live",
        "names": ("x", "carrier"),
        "columns": [[number + i / 8 for i in range(rows)], ["AA"] * rows],
        "ids": [f"flight-{number}-{i}" for i in range(rows)],
        "predictions": [True] * rows,
        "scores": [0.75] * rows,
        "seconds": 0.001,
    }
    return PredictionBatch(**(values | changes))


@pytest.fixture(scope="session")
def batch() -> Callable[..., PredictionBatch]:
    return build_batch


class FixedClock:
    """Time that stands still until it is set."""

    time = START

    def timestamp(self) -> float:
        return self.time

    def now(self) -> Any:
        raise NotImplementedError


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


BUILD = f"""
import sys
from pathlib import Path
from types import SimpleNamespace
from holdfast.records import PredictionBatch

def build(number, **changes):
    values = dict(request=f"r{{number:06d}}", model="delay", version=1, epoch=1,
        at={START} + number, role="live", names=("x", "carrier"),
        columns=[[float(number)], ["AA"]], ids=[f"flight-{{number}}-0"], predictions=[True],
        scores=[0.75], seconds=0.001)
    return PredictionBatch(**(values | changes))

clock = SimpleNamespace(timestamp=lambda: {START})
"""


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a Python process with ``build`` and ``clock`` defined; killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD + code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
