"""The compose file's images, run together by a real engine as its services say.

Two things differ from what compose does: containers get the host's network, because the engine of
scripts/docker.sh makes none of its own, so that each service has a port instead of a name; and
PostgreSQL and Prometheus are Debian's, not those images.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from holdfast.integrations.docker.compose import TARGET, ComposeOptions
from holdfast.integrations.docker.pip_settings import pip_settings
from holdfast.loop.rendering import write

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

TOKEN = secrets.token_urlsafe(32)
ROWS = [
    {"size": 0.5, "heat": 21.0, "kind": "east"},
    {"size": -1.0, "heat": 15.0, "kind": "west"},
]


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(
        [os.environ["HOLDFAST_DOCKER"], *words], capture_output=True, text=True, check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )  # fmt: skip
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return (done.stdout if check else done.stdout + done.stderr).strip()


@dataclass
class Stack:
    """A rendered installation, its images built.

    Args:
        services: of the compose file.
        values: for the variables it takes from ``.env``.
        places: host and port of each service, as ``name:port`` inside and outside.
    """

    services: dict[str, Any]
    values: dict[str, str]
    places: dict[str, str]
    ports: dict[str, int]
    home: str

    def text(self, value: object) -> str:
        """A value of the compose file as compose would read it, with our places."""
        found = re.sub(r"\$\{(\w+)(?::[-?][^}]*)?\}", lambda name: self.values[name[1]], str(value))
        for name, place in self.places.items():
            found = found.replace(name, place)
        return found

    @contextmanager
    def running(self, name: str, *command: str, **more: str) -> Iterator[str]:
        """One service; its container."""
        service = self.services[name]
        words = ["--network", "host"]
        words += ["--read-only"] if service["read_only"] else []
        words += [word for right in service["cap_drop"] for word in ("--cap-drop", right)]
        words += [word for one in service["security_opt"] for word in ("--security-opt", one)]
        words += [word for folder in service["tmpfs"] for word in ("--tmpfs", folder)]
        for volume in service["volumes"]:
            words += ["--volume", self.text(volume).replace("home:", f"{self.home}:")]
        if "working_dir" in service:
            words += ["--workdir", service["working_dir"]]
        for variable, value in {**service.get("environment", {}), **more}.items():
            words += ["--env", f"{variable}={self.text(value)}"]
        made = docker("run", "--detach", *words, f"holdfast-test-stack:{name}", *command)
        try:
            yield made
        finally:
            docker("rm", "--force", made)

    def call(self, name: str, path: str, body: object = None) -> Any:
        """What a service answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[name]}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            data = answer.read()
            return json.loads(data) if data[:1] in (b"{", b"[") else data.decode()

    def answers(self, name: str, path: str) -> Callable[[], bool]:
        def there() -> bool:
            try:
                self.call(name, path)
            except (OSError, urllib.error.URLError):
                return False
            return True

        return there


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack as rendered; every image that it builds is there."""
    folder = tmp_path_factory.mktemp("compose")
    stack = folder / "stack"
    write(TARGET.render(None, ComposeOptions()), stack)
    settings, certificate = pip_settings()
    (folder / "pip.conf").write_text(settings)
    lent = ["--secret", f"id=pip,src={folder / 'pip.conf'}"]
    lent += ["--secret", f"id=ca,src={certificate}"] if certificate else []
    services = yaml.safe_load((stack / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        if build := service.get("build"):
            docker("build", "--network", "host", "--target", build["target"], "--tag",
                   f"holdfast-test-stack:{name}", *lent, str(stack / build["context"]))  # fmt: skip
    return stack


@pytest.fixture
def database() -> Iterator[URL]:
    """A database as compose's PostgreSQL makes it: its role and the database are called alike."""
    url = make_url(os.environ["HOLDFAST_TEST_POSTGRES"])
    assert url.username == "holdfast"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE holdfast"))
    yield url
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE holdfast WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def stack(images: Path, database: URL, project: Any, tmp_path: Path) -> Iterator[Stack]:
    services = yaml.safe_load((images / "compose.yaml").read_text())["services"]
    made = project(tmp_path / "tiny")
    for folder in (tmp_path, *tmp_path.parents[:2]):  # containers run as somebody else
        folder.chmod(0o755)
    ports = {name: free_port() for name in ("serve", "metrics", "control", "prometheus")}
    home = f"holdfast-test-{secrets.token_hex(4)}"
    yield Stack(
        services=services, ports=ports, home=home,
        values={"HOLDFAST_TOKEN": TOKEN, "POSTGRES_PASSWORD": str(database.password),
                "HOLDFAST_PROJECT": str(made.project)},
        places={"postgres:5432": f"{database.host}:{database.port}",
                "control:8700": f"127.0.0.1:{ports['control']}",
                "serve:8081": f"127.0.0.1:{ports['metrics']}"},
    )  # fmt: skip
    docker("volume", "rm", "--force", home)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_the_services_work_together(stack: Stack, images: Path, wait: Any, tmp_path: Path) -> None:
    ports = stack.ports
    with ExitStack() as parts:
        control = parts.enter_context(
            stack.running("control", "control", "--host", "127.0.0.1",
                          "--port", str(ports["control"]))
        )  # fmt: skip
        wait(stack.answers("control", "/api/v1/health"), 120)
        parts.enter_context(
            stack.running(
                "serve", HOLDFAST_HOST="127.0.0.1", HOLDFAST_METRICS_HOST="127.0.0.1",
                HOLDFAST_PORT=str(ports["serve"]), HOLDFAST_METRICS_PORT=str(ports["metrics"]),
            )
        )  # fmt: skip
        parts.enter_context(stack.running("record"))
        parts.enter_context(prometheus(stack, images, tmp_path))

        said = docker("exec", control, "holdfast", "train", "--json")
        assert json.loads(said)["number"] == 1, said
        docker("exec", control, "holdfast", "gate", "1")
        docker("exec", control, "holdfast", "release", "1")
        wait(stack.answers("serve", "/v2/health/ready"), 60)

        answer = stack.call("serve", "/invocations", {"dataframe_records": ROWS})
        high, low = [row["probability"] for row in answer["predictions"]]
        assert high > 0.5 > low

        def recorded() -> bool:
            status = docker("exec", control, "python", "-c", COUNT)
            return int(status) == len(ROWS)

        wait(recorded, 60)
        wait(lambda: scraped(stack, "sum(holdfast_rows_total)") == len(ROWS), 60)
        assert scraped(stack, 'up{job="holdfast"}') == 1
        docker("exec", control, "holdfast", "audit", "verify")


COUNT = """
from pathlib import Path
from holdfast.recording.log import PredictionLog
log = Path("/var/lib/holdfast/log")
print(PredictionLog(log).scan("tiny").collect().height if log.exists() else 0)
"""


@contextmanager
def prometheus(stack: Stack, images: Path, folder: Path) -> Iterator[None]:
    """Debian's, with the stack's own configuration."""
    config = folder / "prometheus"
    config.mkdir()
    for file in (images / "prometheus").iterdir():
        shorter = stack.text(file.read_text()).replace("interval: 15s", "interval: 1s")
        (config / file.name).write_text(shorter)
    with subprocess.Popen(
        ["prometheus", f"--config.file={config / 'prometheus.yml'}",
         f"--storage.tsdb.path={folder / 'tsdb'}",
         f"--web.listen-address=127.0.0.1:{stack.ports['prometheus']}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            process.terminate()


def scraped(stack: Stack, query: str) -> float | None:
    """What Prometheus says of it now."""
    try:
        found = stack.call(
            "prometheus", f"/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        )
    except (OSError, urllib.error.URLError):
        return None
    result = found["data"]["result"]
    return float(result[0]["value"][1]) if result else None
