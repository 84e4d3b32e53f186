"""Several worker processes on one listening socket: started, watched, started again."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from holdfast.serving.admin import Command, Reply
from holdfast.serving.crew import ask, merged
from holdfast.serving.metrics import MetricsPort, Wsgi, workers_registry
from holdfast.serving.repository import PREFIX

_log = logging.getLogger("holdfast.serving")
_VARIABLE = "HOLDFAST_WORKER"
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_LOOK = 0.1
_SETTLED = 10.0
_GIVE_UP = 5


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told by its parent.

    Args:
        slot: 0 to workers - 1.
        fd: the listening socket.
        parent: a pipe that ends when the parent dies; -1 for none.
        metrics_url: where the parent shows the metrics of all.
        folder: private to this server's processes; empty for a worker that is alone.
        grpc: host and port to answer gRPC on; empty for none.
    """

    slot: int
    fd: int
    parent: int
    metrics_url: str = ""
    folder: str = ""
    grpc: str = ""

    @classmethod
    def mine(cls) -> Self | None:
        """This process's seat, when it was started as a worker."""
        text = os.environ.pop(_VARIABLE, None)
        return None if text is None else msgspec.json.decode(text, type=cls)


class _Worker:
    def __init__(self, command: Sequence[str], seat: Seat, folder: Path) -> None:
        self._command = list(command)
        self._seat = seat
        self._folder = folder
        self.failures = 0
        self.start_at = 0.0
        self.started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            _VARIABLE: msgspec.json.encode(self._seat).decode(),
            _METRICS: str(self._folder),
        }
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self._command, env=environment, pass_fds=(self._seat.fd, self._seat.parent)
        )

    def look(self) -> None:
        """Starts it, or again after it died, each time a little later."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
            return
        status = self.process.poll()
        if status is None:
            if now - self.started_at > _SETTLED:
                self.failures = 0
            return
        self.failures += 1
        self.start_at = now + min(0.2 * 2**self.failures, 10.0)
        self.process = None
        _log.warning("worker %d ended with status %d", self._seat.slot, status)


def supervise(
    command: Sequence[str],
    listening: socket.socket,
    *,
    workers: int,
    metrics: tuple[str, int] | None,
    grpc: str,
    grace: float,
    started: Callable[[str], None],
    repository: Callable[[Callable[[Command], Reply]], Wsgi],
) -> int:
    """Runs the workers until SIGTERM or SIGINT.

    Args:
        command: starts one worker, which finds its :class:`Seat` in the environment.
        listening: shared by all.
        workers: how many.
        metrics: address of the sum of their metrics.
        grpc: as of :class:`Seat`.
        grace: seconds they get to end by themselves.
        started: told the URL of the metrics once all were started.
        repository: made with what gives a command to every worker; shown beside the metrics.

    Returns:
        0 after a stop that was asked for, 1 when a worker never holds.
    """
    stop = threading.Event()
    read, write = os.pipe()
    folder = Path(tempfile.mkdtemp(prefix="holdfast-metrics-"))
    port = None
    if metrics is not None:
        admin = (PREFIX, repository(lambda command: merged(ask(folder, command))))
        registry = workers_registry(folder)
        port = MetricsPort(registry, host=metrics[0], port=metrics[1], admin=admin)
    url = port.url if port else ""
    seat = Seat(
        slot=0, fd=listening.fileno(), parent=read, metrics_url=url, folder=str(folder), grpc=grpc
    )
    crew = [_Worker(command, msgspec.structs.replace(seat, slot=n), folder) for n in range(workers)]
    with _signals(stop):
        try:
            for worker in crew:
                worker.start()
            started(url)
            while not stop.wait(_LOOK):
                for worker in crew:
                    worker.look()
                if any(worker.failures >= _GIVE_UP for worker in crew):
                    return 1
            return 0
        finally:
            _end(crew, grace)
            os.close(write)
            os.close(read)
            if port is not None:
                port.close()
            shutil.rmtree(folder, ignore_errors=True)


def _end(crew: Sequence[_Worker], grace: float) -> None:
    running = [worker.process for worker in crew if worker.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + grace + 5.0
    for process in running:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    def ask(_number: int, _frame: Any) -> None:
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
