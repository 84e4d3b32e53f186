"""Everything on this machine: server, recorder and control plane, each started again if it dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from holdfast.errors import ConflictError, UnavailableError
from holdfast.loop.parent import VARIABLE
from holdfast.loop.settings import CONTROL_PORT, Settings, load_settings, prepare
from holdfast.loop.threads import few
from holdfast.spec import FILE_NAME, Serve, load_spec

LOOK = 0.1
SETTLED = 10.0
READY_SECONDS = 60.0
GRACE = 30.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run where.

    Args:
        project: folder the processes are started in.
        settings: shared by all of them.
        arguments: name of a process → its command.
        lifeline: a pipe that ends when this process does, for all of them.
    """

    project: Path
    settings: Settings
    arguments: dict[str, list[str]]
    lifeline: int

    @property
    def ready_file(self) -> Path:
        """Where the server says that it listens."""
        return self.settings.home / "run" / "server.json"


def make_plan(
    project: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    metrics_port: int | None = None,
    control_port: int | None = None,
    grpc_port: int | None = None,
    workers: int | None = None,
) -> Plan:
    """The three processes; what is not given comes from the spec."""
    settings = prepare(load_settings(project.absolute()))
    spec_serve = load_spec(project).serve if (project / FILE_NAME).exists() else Serve()
    control = _free(CONTROL_PORT if control_port is None else control_port)
    settings = msgspec.structs.replace(settings, control_url=f"http://127.0.0.1:{control}")
    settings.folder("run")
    python = [sys.executable, "-m"]
    asked = {
        "--host": host or spec_serve.host,
        "--port": spec_serve.port if port is None else port,
        "--metrics-port": spec_serve.metrics_port if metrics_port is None else metrics_port,
        "--grpc-port": spec_serve.grpc_port if grpc_port is None else grpc_port,
        "--workers": workers or spec_serve.workers,
        "--ready-file": settings.home / "run" / "server.json",
    }
    serve = [part for name, value in asked.items() if value is not None
             for part in (name, str(value))]  # fmt: skip
    return Plan(
        project=project.absolute(),
        settings=settings,
        arguments={
            "control": [*python, "holdfast.cli", "control", "--port", str(control)],
            "recorder": [*python, "holdfast.loop.record"],
            "server": [*python, "holdfast.cli", "serve", *serve],
        },
        lifeline=os.pipe()[0],
    )


def _free(port: int) -> int:
    """A port that stays the same when the control plane is started again."""
    if port:
        return port
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class _Member:
    """One process: started, watched, started again a little later each time it dies at once."""

    def __init__(self, name: str, command: list[str], plan: Plan) -> None:
        self.name = name
        self._command = command
        self._plan = plan
        self._failures = 0
        self._start_at = 0.0
        self._started = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self, say: Callable[[str], None]) -> None:
        now = time.monotonic()
        if self.process is None:
            if now >= self._start_at:
                self._start(now)
            return
        status = self.process.poll()
        if status is None:
            return
        self._failures = 0 if now - self._started > SETTLED else self._failures + 1
        self._start_at = now + min(0.1 * 2**self._failures, 10.0)
        self.process = None
        say(f"{self.name} ended with status {status}; starting it again")

    def _start(self, now: float) -> None:
        self._started = now
        environment = {
            **few(os.environ),
            **self._plan.settings.environment(),
            "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
            VARIABLE: str(self._plan.lifeline),
        }
        log = self._plan.settings.folder("run") / f"{self.name}.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, cwd=self._plan.project, env=environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, pass_fds=(self._plan.lifeline,),
            )  # fmt: skip

    def end(self) -> None:
        """Asks it to stop, and makes it stop when it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run(plan: Plan, say: Callable[[str], None]) -> int:
    """Runs the plan until SIGTERM or SIGINT; returns an exit status.

    Server first, so that its last predictions are recorded; then recorder, then control plane.

    Raises:
        ConflictError: when another ``holdfast up`` has this home.
        UnavailableError: when a process does not come up.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _only_one(plan.settings.home):
        plan.ready_file.unlink(missing_ok=True)
        members = [_Member(name, command, plan) for name, command in plan.arguments.items()]
        told = False
        deadline = time.monotonic() + READY_SECONDS
        try:
            while not stop.wait(LOOK):
                for member in members:
                    member.look(say)
                if not told:
                    told = _tell_when_ready(plan, say)
                    if not told and time.monotonic() > deadline:
                        raise UnavailableError(
                            "up.not_ready",
                            f"the processes did not come up in {READY_SECONDS:.0f} seconds",
                            f"See the logs in {plan.settings.home / 'run'}.",
                        )
        finally:
            for member in reversed(members):
                member.end()
    return 0


def _tell_when_ready(plan: Plan, say: Callable[[str], None]) -> bool:
    server, control = _read(plan.ready_file), _read(plan.settings.home / "run" / "control.json")
    if server is None or control is None or control["url"] != plan.settings.control_url:
        return False
    say(f"predictions  {server['url']}/invocations")
    if server["grpc"]:
        say(f"over gRPC    {server['grpc']}")
    say(f"try it       {server['url']}/docs")
    say(f"metrics      {server['metrics_url']}")
    say(f"dashboard    {control['url']}")
    say("stop with Ctrl-C")
    return True


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return content


@contextlib.contextmanager
def _only_one(home: Path) -> Any:
    """Holds the home while it runs; the lock goes with the process, however it ends."""
    import fcntl

    file = (home / "run" / "up.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConflictError(
            "up.running",
            f"'holdfast up' runs already for {home}",
            "Stop it first, or set HOLDFAST_HOME to another folder.",
        ) from None
    with file:
        yield
