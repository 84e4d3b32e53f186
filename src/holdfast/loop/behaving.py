"""Runs a project's behavioural tests against a bundle, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Self

from holdfast.errors import GateError
from holdfast.gate.evidence import Behaviour
from holdfast.loop.container import Container
from holdfast.loop.jobs import environment
from holdfast.records import Version
from holdfast.spec import Spec

SECONDS = 600


class BehaviourRun:
    """One run of pytest; started at once, waited for when its result is asked for."""

    def __init__(self, command: list[str], folder: str, root: Path, env: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="holdfast-behaviour-")
        self._report = Path(self._folder.name) / "report.xml"
        self._tests = folder
        with (Path(self._folder.name) / "output").open("wb") as out:
            self._process = subprocess.Popen(
                [*command, f"--junit-xml={self._report}"], cwd=root, env=env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    @classmethod
    def start(cls, container: Container, spec: Spec, version: Version) -> Self | None:
        """Begins to run the tests; None when the spec names none."""
        if spec.gate.behaviour is None:
            return None
        folder = spec.root / spec.gate.behaviour
        command = [sys.executable, "-m", "pytest", str(folder), "-q", "-p",
                   "holdfast.testing.plugin", "-p", "no:cacheprovider", "--rootdir",
                   str(spec.root), "-c", os.devnull]  # fmt: skip
        env = {
            **environment(container),
            "HOLDFAST_BUNDLE": version.bundle_path,
            "HOLDFAST_KEY_FILE": str(container.settings.home / "key"),
        }
        return cls(command, spec.gate.behaviour, spec.root, env)

    def result(self) -> tuple[Behaviour, ...]:
        """What each test said.

        Raises:
            GateError: when pytest could not run them, or found none: that proves nothing.
        """
        try:
            self._process.wait(SECONDS)
            found = _read(self._report) if self._report.exists() else []
            if not found:
                said = (Path(self._folder.name) / "output").read_text(errors="replace")
                raise GateError(
                    "gate.behaviour",
                    f"no behavioural test in {self._tests} was run",
                    f"pytest said: {said.strip()[-800:]}",
                )
            return tuple(found)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return (Behaviour("behaviour", passed=False, message="took more than ten minutes"),)
        finally:
            self._folder.cleanup()


def _read(report: Path) -> list[Behaviour]:
    found = []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - written by pytest
        trouble = [part for part in case if part.tag in ("failure", "error")]
        message = (trouble[0].get("message") or "")[:500] if trouble else ""
        skipped = any(part.tag == "skipped" for part in case)
        if not skipped:
            found.append(Behaviour(case.get("name", "?"), not trouble, message))
    return found
