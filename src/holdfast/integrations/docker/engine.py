"""The command line of the local container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from holdfast.errors import HoldfastError, UnavailableError

VARIABLE = "HOLDFAST_DOCKER"
_TAIL = 12


class Engine:
    """``docker``, or what ``HOLDFAST_DOCKER`` names.

    Raises:
        UnavailableError: when there is no such command, or its engine is not running.
    """

    def __init__(self) -> None:
        name = os.environ.get(VARIABLE) or "docker"
        command = shutil.which(name)
        if command is None:
            raise UnavailableError(
                "build.no_engine",
                f"there is no container engine: '{name}' was not found",
                "Install Docker, or name another engine's command with HOLDFAST_DOCKER; "
                "'holdfast render docker' needs none.",
            )
        self._command = command
        done = self._run(["version", "--format", "{{.Server.Version}}"])
        if done.returncode != 0:
            raise UnavailableError(
                "build.engine_down",
                f"the container engine does not answer: {_last(done.stderr)}",
                "Start it, or say with DOCKER_HOST where it is.",
            )

    def call(
        self,
        arguments: Sequence[str],
        *,
        what: str,
        stdin: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> str:
        """Runs a command of the engine and returns what it printed.

        Args:
            arguments: of the command line; no secret, because others may read them.
            what: for the error, such as "build the image".
            stdin: given to the command.
            environ: further variables; secrets are passed here.

        Raises:
            HoldfastError: when it fails.
        """
        done = self._run(arguments, stdin=stdin, environ=environ)
        if done.returncode != 0:
            raise HoldfastError(
                "build.failed",
                f"the container engine could not {what}:\n{_tail(done.stderr or done.stdout)}",
                "Correct what it says; 'holdfast render docker' writes the same files to look at.",
            )
        return done.stdout.strip()

    def tries(self, arguments: Sequence[str]) -> bool:
        """Runs a command and says whether it succeeded."""
        return self._run(arguments).returncode == 0

    def _run(
        self,
        arguments: Sequence[str],
        *,
        stdin: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._command, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, "DOCKER_BUILDKIT": "1", **(environ or {})},
            capture_output=True, text=True, check=False,
        )  # fmt: skip


def _last(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "it says nothing"


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_TAIL:])
