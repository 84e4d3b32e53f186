"""Commands in this process: what a shell would see, without the second a process costs."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import main


@dataclass
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, str]:
        """Of a command with ``--json``."""
        return json.loads(self.err.splitlines()[-1])["error"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs ``holdfast`` with some words in a project, away from the machine's installation."""

    def call(*words: str, project: Path | None = None, home: Any = None) -> Ran:
        for name in ("HOLDFAST_HOME", "HOLDFAST_CONTROL_URL", "HOLDFAST_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        if home is not None:
            project = home.project
            monkeypatch.setenv("HOLDFAST_CLOCK", home.environment["HOLDFAST_CLOCK"])
        if project is not None:
            monkeypatch.chdir(project)
        monkeypatch.setattr("sys.argv", ["holdfast", *words])
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as end:
            main()
        signal.signal(signal.SIGTERM, handler)
        said = capsys.readouterr()
        return Ran(int(end.value.code or 0), said.out, said.err)

    return call
