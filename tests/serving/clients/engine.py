"""A container engine with the calls of docker-py that the platforms' clients make.

A container is a process of ``holdfast serve`` with the environment that it was given. Having no
file system and no network of its own, it gets copies of the mounted files, under a folder of its
own, and a free port: by ``AIP_HTTP_PORT`` when that is set, else by ``--port``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any


class Container:
    def __init__(self, image: str, name: str, labels: dict[str, str], **given: Any) -> None:
        self.name, self.labels = name, labels
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-container-"))
        self._environment = {key: str(value) for key, value in given["environment"].items()}
        for volume in given.get("volumes") or []:
            self._mount(*volume.split(":")[:2])
        self._inside = labels.get("azureml-port") or self._environment.get("AIP_HTTP_PORT")
        self._ready = self._folder / "ready.json"
        self._command = [image, "serve", "--metrics-port", "0", "--host", "127.0.0.1"]
        self._command += ["--ready-file", str(self._ready)]
        if "AIP_HTTP_PORT" in self._environment:
            self._environment["AIP_HTTP_PORT"] = "0"
        else:
            self._command += ["--port", "0"]
        self._process: subprocess.Popen[bytes] | None = None

    def _mount(self, outside: str, inside: str) -> None:
        target = self._folder / inside.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(outside).is_dir():
            shutil.copytree(outside, target, dirs_exist_ok=True)
        else:
            shutil.copy(outside, target)
        for key, value in self._environment.items():
            if not value.startswith(str(self._folder)) and inside.startswith(value.rstrip("/")):
                self._environment[key] = f"{self._folder}{value}"

    def start(self) -> None:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], **self._environment},
            )  # fmt: skip

    @property
    def status(self) -> str:
        running = self._process is not None and self._process.poll() is None
        return "running" if running else "exited"

    def reload(self) -> None:
        """Waits until it says which port it has."""
        deadline = time.monotonic() + 120
        while not self._ready.exists() and self.status == "running":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @property
    def ports(self) -> dict[str, Any]:
        self.reload()
        port = json.loads(self._ready.read_text())["url"].rpartition(":")[2]
        return {f"{self._inside}/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}

    def logs(self, **_: Any) -> bytes:
        return (self._folder / "log").read_bytes()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class Engine:
    """Stands for both ``client.containers`` and ``client.images``."""

    def __init__(self) -> None:
        self.containers = self.images = self
        self._all: list[Container] = []

    def get(self, name: str) -> str:
        return name

    def list(self, **_: Any) -> list[Container]:
        return list(self._all)

    def create(self, image: str, name: str = "", **given: Any) -> Container:
        container = Container(image, name, given.pop("labels", {}), **given)
        self._all.append(container)
        return container

    def run(self, image: str, **given: Any) -> Container:
        container = self.create(image, **given)
        container.start()
        return container

    def close(self) -> None:
        for container in self._all:
            container.stop()
            container.remove()
