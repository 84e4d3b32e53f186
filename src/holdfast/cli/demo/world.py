"""The demo's installation: a project in a folder, its commands, its processes, its clock."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from holdfast.cli.client import ControlClient
from holdfast.cli.demo.narrator import DemoError, Narrator
from holdfast.cli.demo.traffic import Traffic
from holdfast.loop.clock import RehearsalClock
from holdfast.loop.container import Container
from holdfast.loop.settings import load_settings
from holdfast.training.user_code import LocalUserCode

START = datetime(2013, 4, 1, tzinfo=UTC)
MODEL = "flight-delay"
PATIENCE = 90.0


class World:
    """Everything the story needs, done with the product's own commands and API.

    Args:
        folder: holds the project and its state.
        narrator: tells what is done.
    """

    def __init__(self, folder: Path, narrator: Narrator) -> None:
        self.folder = folder
        self.project = folder / "flights"
        self.clock = RehearsalClock.create(folder / "clock", START)
        self._narrator = narrator
        self._up: subprocess.Popen[bytes] | None = None
        # What really happened is needed once the model is live; until then a core is idle.
        self._history = ThreadPoolExecutor(1, "history").submit(
            LocalUserCode(root=self.project, log=folder / "load.log").load, "delays:load"
        )
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_", "MLFLOW_"))},
            "HOLDFAST_CLOCK": str(folder / "clock"),
            "HOLDFAST_HOME": str(self.project / ".holdfast"),
        }

    @classmethod
    def make(cls, folder: Path, narrator: Narrator) -> World:
        """Copies the example project into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            example("flights"), folder / "flights", dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(".holdfast", "__pycache__"),
        )  # fmt: skip
        return cls(folder, narrator)

    @property
    def spec_file(self) -> Path:
        """The project's ``holdfast.toml``."""
        return self.project / "holdfast.toml"

    def edit(self, old: str, new: str, file: str = "holdfast.toml") -> None:
        """What a user would do in an editor."""
        path = self.project / file
        text = path.read_text()
        if old not in text:
            raise DemoError(f"'{old}' is not in {path}")
        path.write_text(text.replace(old, new))

    def command(self, *words: str, status: int = 0) -> Any:
        """Runs a ``holdfast`` command in a shell of its own and returns its JSON."""
        self._narrator.say("$ holdfast " + " ".join(words))
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.cli", *words, "--json", "--project", self.project],
            env=self._env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.last_seconds = time.monotonic() - began
        if done.returncode != status:
            raise DemoError(
                f"'holdfast {' '.join(words)}' ended with {done.returncode}, not {status}:\n"
                f"{done.stdout[-2000:]}{done.stderr[-3000:]}"
            )
        return json.loads(done.stdout) if done.stdout.strip() else None

    def up(self) -> None:
        """Starts server, recorder and control plane as ``holdfast up`` does."""
        self._narrator.say("$ holdfast up")
        command = [sys.executable, "-m", "holdfast.cli", "up", "--port", "0", "--metrics-port",
                   "0", "--control-port", "0", "--project", str(self.project)]  # fmt: skip
        with (self.folder / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                command, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        self.wait(lambda: self._ready(), "the processes come up")

    def _ready(self) -> bool:
        run = self.project / ".holdfast" / "run"
        return (
            "dashboard" in (self.folder / "up.log").read_text() and (run / "server.json").exists()
        )

    def wait(self, done: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
        """Waits until something is true, and returns it."""
        end = time.monotonic() + seconds
        while not (found := done()):
            if time.monotonic() > end:
                raise DemoError(f"waited {seconds:.0f} seconds in vain until {what}")
            if self._up is not None and self._up.poll() is not None:
                raise DemoError(f"'holdfast up' ended with {self._up.returncode}")
            time.sleep(0.05)
        return found

    @cached_property
    def container(self) -> Container:
        """The same installation, to look into."""
        return Container(load_settings(self.project, self._env), self.project)

    @property
    def server(self) -> str:
        """URL of predictions."""
        return str(self._address("server")["url"])

    @property
    def api(self) -> ControlClient:
        """The control API."""
        return ControlClient(str(self._address("control")["url"]), None)

    def control_pid(self) -> int:
        """Process id of the control plane."""
        return int(self._address("control")["pid"])

    def _address(self, name: str) -> dict[str, Any]:
        file = self.project / ".holdfast" / "run" / f"{name}.json"
        content: dict[str, Any] = json.loads(file.read_text())
        return content

    @cached_property
    def flights(self) -> pl.DataFrame:
        """The rows of the project's loader: what really happened in 2013."""
        return self._history.result()

    @cached_property
    def traffic(self) -> Traffic:
        """The world outside, from the present time on."""
        labels = f"{self.api.url}/api/v1/models/{MODEL}/labels"
        data = self.container.project_spec().data
        return Traffic(self.flights, data, self.server, labels, self.clock)

    def logs(self) -> Iterator[str]:
        """The last lines of every log."""
        files = [self.folder / "up.log", *(self.project / ".holdfast" / "run").glob("*.log")]
        for file in files:
            if file.exists():
                yield f"--- {file}"
                yield from file.read_text(errors="replace").splitlines()[-25:]

    def keep(self) -> None:
        """Leaves everything running and says where."""
        self._narrator.say(f"predictions: {self.server}/invocations  (try it: {self.server}/docs)")
        self._narrator.say(f"dashboard:   {self.api.url}")
        self._narrator.say(f"project:     {self.project}")
        self._narrator.say(f"stop with:   kill {self._up.pid if self._up else ''}")

    def close(self) -> None:
        """Stops the processes it started."""
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGTERM)
            try:
                self._up.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self._up.pid, signal.SIGKILL)
                self._up.wait()


def example(name: str) -> Path:
    """An example project: from the wheel, or from the checkout."""
    packaged = Path(str(resources.files("holdfast"))) / "examples" / name
    checkout = Path(str(resources.files("holdfast"))).parents[1] / "examples" / name
    for place in (packaged, checkout):
        if place.is_dir():
            return place
    raise DemoError(f"the example '{name}' is neither in {packaged} nor in {checkout}")
