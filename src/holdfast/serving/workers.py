"""Several worker processes on one listening socket: started, watched, started again.

SIGHUP replaces them one by one: each gets to finish what it answers while the others take what is
new, and the next is not touched before its successor answers.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from holdfast.serving.admin import Command, Reply
from holdfast.serving.crew import ask, merged
from holdfast.serving.metrics import workers_registry
from holdfast.serving.metrics_port import MetricsPort
from holdfast.serving.repository import Repository

_log = logging.getLogger("holdfast.serving")
_VARIABLE = "HOLDFAST_WORKER"
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_LOOK = 0.1
_SETTLED = 10.0
_GIVE_UP = 5
_LATE = 5.0


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told by its parent.

    Args:
        slot: 0 to workers - 1.
        fd: the listening socket.
        parent: a pipe that ends when the parent dies; -1 for none.
        metrics_url: where the parent shows the metrics of all.
        folder: private to this server's processes; empty for a worker that is alone.
        grpc: host and port to answer gRPC on; empty for none.
        ready: a pipe to tell the parent, by a byte, that connections are taken; -1 for none.
        relief: others serve meanwhile: load the models before taking connections.
    """

    slot: int
    fd: int
    parent: int
    metrics_url: str = ""
    folder: str = ""
    grpc: str = ""
    ready: int = -1
    relief: bool = False

    def tell(self) -> None:
        """Says that connections are taken."""
        if self.ready >= 0:
            os.write(self.ready, b"1")

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
        self._telling = -1
        self.failures = 0
        self.start_at = 0.0
        self.started_at = 0.0
        self.ready = False
        self.leaving = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, relief: bool = False) -> None:
        self.close()
        self._telling, told = os.pipe()
        os.set_blocking(self._telling, False)
        seat = msgspec.structs.replace(self._seat, ready=told, relief=relief)
        environment = {
            **os.environ,
            _VARIABLE: msgspec.json.encode(seat).decode(),
            _METRICS: str(self._folder),
        }
        self.started_at = time.monotonic()
        self.ready = False
        self.leaving = 0.0
        self.process = subprocess.Popen(
            self._command, env=environment, pass_fds=(seat.fd, seat.parent, told)
        )
        os.close(told)

    def look(self) -> None:
        """Starts it, or again after it ended: at once when it was told to, else each time a
        little later.
        """
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start(relief=True)
            return
        status = self.process.poll()
        if status is None:
            self._listen()
            if now - self.started_at > _SETTLED:
                self.failures = 0
            if self.leaving and now > self.leaving:
                self.process.kill()
            return
        self.process = None
        if self.leaving:
            self.start(relief=True)
            return
        self.failures += 1
        self.start_at = now + min(0.2 * 2**self.failures, 10.0)
        _log.warning("worker %d ended with status %d", self._seat.slot, status)

    def _listen(self) -> None:
        if not self.ready:
            with contextlib.suppress(BlockingIOError):
                self.ready = os.read(self._telling, 1) == b"1"

    def replace(self, grace: float) -> None:
        """Asks it to finish; :meth:`look` starts its successor."""
        if self.process is not None:
            self.leaving = time.monotonic() + grace + _LATE
            self.process.terminate()

    def close(self) -> None:
        """Lets go of the pipe."""
        if self._telling >= 0:
            os.close(self._telling)
            self._telling = -1


class _Roll:
    """Replaces all workers, one at a time."""

    def __init__(self, crew: Sequence[_Worker], grace: float) -> None:
        self._crew = crew
        self._grace = grace
        self._asked = False
        self._left: list[_Worker] = []

    def ask(self) -> None:
        """From a signal handler."""
        self._asked = True

    def look(self) -> None:
        """Goes on to the next once all answer: a successor that fails leaves the others alone."""
        if self._asked:
            self._asked, self._left = False, list(self._crew)
        if self._left and all(worker.ready and not worker.leaving for worker in self._crew):
            self._left.pop(0).replace(self._grace)


def supervise(
    command: Sequence[str],
    listening: socket.socket,
    *,
    workers: int,
    metrics: tuple[str, int] | None,
    grpc: str,
    grace: float,
    started: Callable[[str], None],
    repository: Callable[[Callable[[Command], Reply]], Repository],
) -> int:
    """Runs the workers until SIGTERM or SIGINT; replaces them one by one on SIGHUP.

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
        admin = repository(lambda command: merged(ask(folder, command)))
        registry = workers_registry(folder)
        port = MetricsPort(registry, host=metrics[0], port=metrics[1], admin=admin)
    url = port.url if port else ""
    seat = Seat(
        slot=0, fd=listening.fileno(), parent=read, metrics_url=url, folder=str(folder), grpc=grpc
    )
    crew = [_Worker(command, msgspec.structs.replace(seat, slot=n), folder) for n in range(workers)]
    roll = _Roll(crew, grace)
    with _signals({signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: roll.ask}):
        try:
            for worker in crew:
                worker.start()
            started(url)
            while not stop.wait(_LOOK):
                for worker in crew:
                    worker.look()
                roll.look()
                if any(worker.failures >= _GIVE_UP for worker in crew):
                    return 1
            return 0
        finally:
            _end(crew, grace)
            for worker in crew:
                worker.close()
            os.close(write)
            os.close(read)
            if port is not None:
                port.close()
            shutil.rmtree(folder, ignore_errors=True)


def _end(crew: Sequence[_Worker], grace: float) -> None:
    running = [worker.process for worker in crew if worker.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + grace + _LATE
    for process in running:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _signals(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    def take(number: int, _frame: Any) -> None:
        handlers[signal.Signals(number)]()

    before = {number: signal.signal(number, take) for number in handlers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
