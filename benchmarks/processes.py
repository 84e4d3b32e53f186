"""Processes that a benchmark starts, watches and ends; never any other."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

PYTHON = sys.executable
GRACE = 20.0
MARK = "BENCH_PROCESS"


def clean_environment(**more: str) -> dict[str, str]:
    """Ours, without what would point Holdfast or MLflow at another installation."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOLDFAST_", "MLFLOW_"))
    }
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}


def timed(command: Sequence[str], **options: Any) -> float:
    """Seconds that a whole process takes.

    Raises:
        RuntimeError: when it fails, with the end of what it said.
    """
    options.setdefault("env", clean_environment())
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-2000:]}")
    return seconds


@contextlib.contextmanager
def running(command: Sequence[str], *, cwd: Path, env: dict[str, str], log: Path) -> Iterator[int]:
    """The pid of a process in a session of its own; it and its children end with the block."""
    mark = uuid.uuid4().hex
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=cwd, env={**env, MARK: mark}, stdin=subprocess.DEVNULL, stdout=out,
            stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield process.pid
    finally:
        children = _family(process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        if process.poll() is None:
            process.kill()
            process.wait()
        _, left = psutil.wait_procs([*children, *_marked(mark)], timeout=GRACE)
        left += _marked(mark)
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        psutil.wait_procs(left, timeout=GRACE)


def _marked(mark: str) -> list[psutil.Process]:
    """What was started with a mark in its environment, also when its parent has gone."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    return [psutil.Process(pid), *_family(pid)]


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def call(
    port: int, method: str, path: str, body: object = None, seconds: float = 30.0
) -> tuple[int, bytes]:
    """One HTTP request to the loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def wait_for(port: int, path: str, pid: int, log: Path, seconds: float = 60.0) -> float:
    """Waits until a server answers with 200; returns how long that took.

    Raises:
        RuntimeError: when it died or took too long.
    """
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            if call(port, "GET", path, seconds=2.0)[0] == 200:
                return time.monotonic() - began
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {path}: {log.read_text(errors='replace')[-2000:]}")


def pss(pid: int) -> float:
    """Proportional set size in MB: what the process adds, its share of shared pages included."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
