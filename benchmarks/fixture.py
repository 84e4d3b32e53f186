"""A small project, its model trained and released by the product itself."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from processes import PYTHON, clean_environment, free_port, running, wait_for

SOURCE = Path(__file__).parent / "project"
HOLDFAST = [PYTHON, "-m", "holdfast.cli"]


class Up(NamedTuple):
    """``holdfast up`` as it runs."""

    pid: int
    port: int
    control: int


class Project:
    """A folder with ``holdfast.toml``; all state stays in it.

    Args:
        folder: to be made.
        train: function of ``project/model.py``.
    """

    def __init__(self, folder: Path, train: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.copy(SOURCE / "model.py", folder)
        spec = (SOURCE / "holdfast.toml").read_text()
        (folder / "holdfast.toml").write_text(spec.replace("model:train_trees", f"model:{train}"))
        self.env = clean_environment(HOLDFAST_HOME=str(folder / ".holdfast"))

    def holdfast(self, *arguments: str) -> Any:
        """Runs a command; returns what it answers with ``--json``.

        Raises:
            RuntimeError: when it fails.
        """
        done = subprocess.run(
            [*HOLDFAST, *arguments, "--json"], cwd=self.folder, env=self.env, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"holdfast {' '.join(arguments)}: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def train(self) -> dict[str, Any]:
        """A new version."""
        version: dict[str, Any] = self.holdfast("train")
        return version

    def release(self, number: int) -> None:
        """Takes a version live at once."""
        self.holdfast("release", str(number), "--strategy", "direct", "--force", "benchmark")

    @property
    def bundle(self) -> Path:
        """The bundle of the newest version."""
        newest = max(
            (found["version"] for found in self.holdfast("versions")), key=lambda one: one["number"]
        )
        return Path(newest["bundle_path"])

    def estimator(self) -> Any:
        """The fitted scikit-learn estimator of the newest version: made here, so it is ours."""
        return pickle.loads((self.bundle / "native" / "estimator.pkl").read_bytes())

    @contextlib.contextmanager
    def up(self) -> Iterator[Up]:
        """``holdfast up``, answering."""
        port, control, log = free_port(), free_port(), self.folder / "up.log"
        command = [
            *HOLDFAST, "up", "--port", str(port), "--control-port", str(control),
            "--metrics-port", str(free_port()),
        ]  # fmt: skip
        with running(command, cwd=self.folder, env=self.env, log=log) as pid:
            wait_for(control, "/api/v1/health", pid, log)
            wait_for(port, "/v2/health/ready", pid, log)
            yield Up(pid, port, control)


def example() -> dict[str, float]:
    """One row."""
    return {f"x{number:02d}": round(0.1 * number - 0.95, 2) for number in range(20)}
