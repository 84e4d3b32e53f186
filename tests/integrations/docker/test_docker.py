"""The image, built and run by a real engine: contracts, rights, secrets, records.

Containers get the host's network, because the engine of scripts/docker.sh makes none of its own.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import os
import secrets
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.bundle.predictor import read_golden
from holdfast.errors import BundleError
from holdfast.integrations.docker import build as building
from holdfast.integrations.docker.dockerfile import BASE
from holdfast.integrations.docker.engine import Engine
from holdfast.integrations.docker.image import TARGET, ImageOptions
from holdfast.loop.rendering import write
from holdfast.ports.rendering import BuildOrder, Subject

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

TAG = "holdfast-test:tiny"
PASSWORD = "hunter2-of-the-index"
MB = 1_000_000
ANY_USERS = ["0:0", "54321:54321", "1000:0"]


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(
        [os.environ["HOLDFAST_DOCKER"], *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, done.stderr
    return (done.stdout + done.stderr).strip()


class _Index(http.server.BaseHTTPRequestHandler):
    """A package index that has nothing, and remembers who asked."""

    asked: set[str] = set()

    def do_GET(self) -> None:
        self.asked.add(self.headers.get("Authorization", ""))
        self.send_error(404 if "Authorization" in self.headers else 401)

    def send_error(self, code: int, *rest: Any) -> None:
        self.send_response(code)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *rest: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the last answer


@contextmanager
def serving(handler: Any) -> Iterator[int]:
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The default base, but no layer on it is cached: pip must really ask for the packages."""
    nonce = tmp_path_factory.mktemp("base") / "nonce"
    nonce.write_text(secrets.token_hex())
    name = f"holdfast-test-base:{secrets.token_hex(4)}"
    made = docker("create", BASE)
    docker("cp", str(nonce), f"{made}:/nonce")
    docker("commit", made, name)
    docker("rm", made)
    yield name
    docker("rmi", "--force", name)


@pytest.fixture(scope="module")
def built(shared: Any, base: str) -> dict[str, Any]:
    """What ``holdfast build`` says; its index needs a password that must leave no trace."""
    with serving(_Index) as port:
        index = f"http://robot:{PASSWORD}@127.0.0.1:{port}/simple/"
        extra = " ".join(filter(None, [os.environ.get("PIP_EXTRA_INDEX_URL"), index]))
        environment = {**os.environ, **shared.environment, "PIP_EXTRA_INDEX_URL": extra}
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.cli", "build", "1", "--tag", TAG, "--network", "host",
             "--base", base,
             "--json"],
            cwd=shared.project, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on, below those that connections get by themselves: between
    here and the start of a container nobody else is likely to take them.
    """
    while True:
        first = secrets.randbelow(8000) * 2 + 15_000
        with contextlib.suppress(OSError):
            for port in (first, first + 1):
                socket.create_server(("0.0.0.0", port)).close()
            return first, first + 1


@dataclass
class Running:
    """A container that listens on ``port``."""

    id: str
    port: int

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, sent, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, (json.loads(data) if data[:1] in b"{[" and data else data), answer
        finally:
            connection.close()

    def status(self, path: str) -> int:
        try:
            return self.call("GET", path)[0]
        except OSError:
            assert docker("inspect", "-f", "{{.State.Running}}", self.id) == "true", docker(
                "logs", self.id
            )
            return 0


@contextmanager
def running(
    wait: Callable[..., Any],
    *options: str,
    image: str = TAG,
    command: tuple[str, ...] = ("serve",),
    health: str = "/v2/health/ready",
    environment: dict[str, str] | None = None,
) -> Iterator[Running]:
    port, metrics_port = free_ports()
    variables = {"HOLDFAST_PORT": "{port}", "HOLDFAST_ANONYMOUS": "1", **(environment or {})}
    variables["HOLDFAST_METRICS_PORT"] = str(metrics_port)
    words = [w for n, v in variables.items() for w in ("--env", f"{n}={v.format(port=port)}")]
    made = docker("run", "--detach", "--network", "host", *words, *options, image, *command)
    try:
        container = Running(made.splitlines()[0], port)
        wait(lambda: container.status(health) == 200, 60)
        yield container
    finally:
        docker("rm", "--force", "--volumes", made)


@pytest.fixture(scope="module")
def rows(subject: Subject) -> list[dict[str, Any]]:
    _, golden = read_golden(subject.folder, subject.manifest)
    return [dict(zip(golden.columns, row, strict=True))
            for row in zip(*golden.columns.values(), strict=True)][:3]  # fmt: skip


@pytest.fixture(scope="module")
def expected(subject: Subject) -> list[float]:
    _, golden = read_golden(subject.folder, subject.manifest)
    assert golden.probability is not None
    return [float(value) for value in golden.probability[:3]]  # type: ignore[arg-type]


def test_it_is_small_quick_and_right(built: dict[str, Any]) -> None:
    assert built["rows"] == 32
    assert built["tags"] == [TAG]
    assert 0 < built["size"] - built["base_size"] < 250 * MB


def test_its_labels_are_the_lineage(built: dict[str, Any], subject: Subject, base: str) -> None:
    labels = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", TAG))
    assert subject.version is not None
    assert labels["io.holdfast.model"] == "tiny"
    assert labels["io.holdfast.run"] == subject.version.run
    assert labels["io.holdfast.dataset"] == subject.version.dataset
    assert labels["io.holdfast.bundle"] == subject.digest
    assert labels["org.opencontainers.image.version"] == "1"
    assert labels["org.opencontainers.image.base.name"] == base


@dataclass(frozen=True)
class Contract:
    """How a platform runs the image, and asks it.

    Args:
        body: from rows as records to what the platform sends.
        read: from the answer to a probability a row.
        environment: what the platform sets; ``{port}`` stands for the port it chose.
    """

    health: str
    path: str
    body: Callable[[list[dict[str, Any]]], object]
    read: Callable[[Any], list[float]]
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def records(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"dataframe_records": rows}


def instances(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"instances": rows}


def tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {float: "FP64", str: "BYTES", int: "INT64", bool: "BOOL"}
    return {
        "inputs": [
            {"name": name, "shape": [len(rows)], "datatype": kinds[type(rows[0][name])],
             "data": [row[name] for row in rows]}
            for name in rows[0]
        ]
    }  # fmt: skip


def shares(answer: Any) -> list[float]:
    return [one["probability"] for one in answer["predictions"]]


def share_tensor(answer: Any) -> list[float]:
    return next(out["data"] for out in answer["outputs"] if out["name"] == "probability")


CONTRACTS = {
    "mlflow": Contract("/ping", "/invocations", records, shares),
    "kserve-v1": Contract("/v1/models/tiny", "/v1/models/tiny:predict", instances, shares),
    "kserve-v2": Contract("/v2/health/ready", "/v2/models/tiny/infer", tensors, share_tensor),
    "sagemaker": Contract("/ping", "/invocations", records, shares, command=("serve",)),
    "vertex": Contract(
        "/healthy",
        "/predict",
        instances,
        shares,
        environment={
            "AIP_HTTP_PORT": "{port}",
            "AIP_HEALTH_ROUTE": "/healthy",
            "AIP_PREDICT_ROUTE": "/predict",
            "HOLDFAST_PORT": "",
        },
    ),
    "azure": Contract(
        "/v2/health/ready",
        "/score",
        lambda rows: {"input_data": rows},
        shares,
        environment={"AZUREML_MODEL_DIR": "/opt/bundle"},
    ),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_one_image_answers_every_contract(
    name: str, built: Any, wait: Any, rows: Any, expected: list[float]
) -> None:
    contract = CONTRACTS[name]
    with running(
        wait, "--read-only", command=contract.command, health=contract.health,
        environment=contract.environment,
    ) as container:  # fmt: skip
        status, answer, headers = container.call("POST", contract.path, contract.body(rows))
        assert status == 200, answer
        assert contract.read(answer) == pytest.approx(expected, abs=1e-4)
        assert headers.getheader("x-holdfast-version") == "1"


@pytest.mark.parametrize("user", ANY_USERS)
def test_any_user_and_no_rights_are_enough(user: str, built: Any, wait: Any, rows: Any) -> None:
    rights = ("--read-only", "--user", user, "--cap-drop", "ALL", "--security-opt",
              "no-new-privileges")  # fmt: skip
    with running(wait, *rights) as container:
        assert container.call("POST", "/invocations", records(rows))[0] == 200
        assert (
            docker("exec", container.id, "python", "-c", "import os; print(os.getuid())")
            == (user.partition(":")[0])
        )


def test_several_workers_on_a_read_only_root(built: Any, wait: Any, rows: Any) -> None:
    with running(wait, "--read-only", environment={"HOLDFAST_WORKERS": "2"}) as container:
        assert container.call("POST", "/invocations", records(rows))[0] == 200


def test_docker_sees_that_it_is_healthy_and_stops_it_in_order(built: Any, wait: Any) -> None:
    with running(wait) as container:
        health = partial(docker, "inspect", "-f", "{{.State.Health.Status}}", container.id)
        wait(lambda: health() == "healthy", 60)
        docker("stop", "--time", "40", container.id)
        assert docker("inspect", "-f", "{{.State.ExitCode}}", container.id) == "0"


def test_without_a_token_it_refuses_to_start(built: Any) -> None:
    said = docker("run", "--rm", "--network", "none", TAG, check=False)
    assert "serve.exposed" in said
    assert "HOLDFAST_ANONYMOUS" in said


def test_no_layer_holds_a_secret(built: Any, shared: Any, tmp_path: Path) -> None:
    asked = {value.removeprefix("Basic ") for value in _Index.asked}
    assert base64.b64encode(f"robot:{PASSWORD}".encode()).decode() in asked  # it was really used
    key = (shared.home / "key").read_bytes()
    wanted = [PASSWORD.encode(), key, key.hex().encode(), base64.b64encode(key)]
    docker("save", "--output", str(tmp_path / "image.tar"), TAG)
    seen = []
    with tarfile.open(tmp_path / "image.tar") as image:
        for member in image.getmembers():
            file = image.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            data = file.read()
            seen.append(member.name)
            assert not [secret for secret in wanted if secret in data], member.name
            # A control: the search would find what is there.
            seen += ["digest"] * (built["image"].removeprefix("sha256:")[:8] in member.name)
    assert "digest" in seen
    assert PASSWORD not in docker("history", "--no-trunc", TAG)


def test_what_it_answers_is_recorded_by_the_other_target(
    built: Any, base: str, subject: Subject, wait: Any, rows: Any, tmp_path: Path
) -> None:
    from holdfast.recording.log import PredictionLog

    write(TARGET.render(subject, ImageOptions(base=base)), tmp_path / "image")
    recorder = "holdfast-test:record"
    order_build("record", recorder, tmp_path / "image")
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    share = ("--user", "54321:54321", "--volume", f"{home}:/var/lib/holdfast", "--read-only")
    with running(wait, *share) as container:
        assert container.call("POST", "/invocations", records(rows))[0] == 200
        docker("stop", container.id)
    made = docker("run", "--detach", "--network", "none", *share, recorder)
    try:
        log = PredictionLog(home / "log")
        wait(lambda: any(home.glob("log/**/*.parquet")), 60)
        wait(lambda: any(home.glob("summaries/**/*.parquet")), 60)
        docker("stop", made)
        frame = log.scan("tiny").collect()
    finally:
        docker("rm", "--force", made)
    assert frame.height == len(rows)
    assert frame["version"].to_list() == [1] * len(rows)


def order_build(target: str, tag: str, folder: Path) -> None:
    """As a user would who has rendered: with the index of this machine's pip as a secret."""
    from holdfast.integrations.docker.pip_settings import pip_settings

    text, certificate = pip_settings()
    (folder.parent / "pip.conf").write_text(text)
    lent = ["--secret", f"id=pip,src={folder.parent / 'pip.conf'}"]
    lent += ["--secret", f"id=ca,src={certificate}"] if certificate else []
    done = subprocess.run(
        [os.environ["HOLDFAST_DOCKER"], "build", "--network", "host", "--target", target, "--tag",
         tag, *lent, str(folder)],
        env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_bundle_is_fetched_at_start_and_kept(
    built: Any, base: str, subject: Subject, wait: Any, rows: Any, tmp_path: Path
) -> None:
    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *rest: Any) -> None:
            pass

    with serving(partial(Files, directory=str(subject.folder))) as port:
        options = ImageOptions(base=base, fetch=f"http://127.0.0.1:{port}")
        write(TARGET.render(subject, options), tmp_path / "image")
        order_build("serve", "holdfast-test:fetch", tmp_path / "image")
        volume = f"holdfast-test-{secrets.token_hex(4)}"
        share = ("--volume", f"{volume}:/var/lib/holdfast", "--read-only")
        with running(wait, *share, image="holdfast-test:fetch") as container:
            assert container.call("POST", "/invocations", records(rows))[0] == 200
    try:  # the address is gone; what was fetched serves on
        with running(wait, *share, image="holdfast-test:fetch") as container:
            assert container.call("POST", "/invocations", records(rows))[0] == 200
    finally:
        docker("volume", "rm", "--force", volume)


def test_an_image_that_answers_otherwise_is_not_accepted(
    built: dict[str, Any], subject: Subject, tmp_path: Path
) -> None:
    import msgspec

    from holdfast.bundle.manifest import write_bundle
    from holdfast.bundle.predictor import GOLDEN_FILE, Golden

    other = tmp_path / "bundle"
    write(replace_rendering(subject.folder), tmp_path)
    golden = msgspec.json.decode((other / GOLDEN_FILE).read_bytes(), type=Golden)
    assert golden.probability is not None
    moved = [0.5, *golden.probability[1:]]
    (other / GOLDEN_FILE).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(golden, probability=moved))
    )
    known = subject.manifest
    manifest = write_bundle(
        other, model=known.model, task=known.task, signature=known.signature,
        predictor=known.predictor, native=known.native, run=known.run, dataset=known.dataset,
        created_at=known.created_at, key=b"k" * 32,
    )  # fmt: skip
    wrong = replace(subject, folder=other, manifest=manifest)
    with pytest.raises(BundleError, match="differently"):
        building._try(Engine(), built["image"], wrong)


def replace_rendering(folder: Path) -> Any:
    from holdfast.ports.rendering import Rendering

    return Rendering(files={"bundle": folder})


def test_an_engine_that_is_down_is_named(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.errors import UnavailableError

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing")
    order = BuildOrder(context=tmp_path, tags=("x:1",), base="b", network=None, say=print)
    with pytest.raises(UnavailableError, match=r"build\.engine_down"):
        building.build(subject, order)


def test_a_build_that_fails_says_why(subject: Subject, tmp_path: Path) -> None:
    from holdfast.errors import HoldfastError

    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim AS serve\nRUN ['no'\n")
    order = BuildOrder(
        context=tmp_path, tags=("holdfast-test:x",), base="b", network="host", say=lambda _: None
    )
    with pytest.raises(HoldfastError, match=r"build\.failed"):
        building.build(subject, order)


@pytest.mark.parametrize("fetch", [None, "https://models.internal/tiny"])
def test_hadolint_has_nothing_to_say(subject: Subject, fetch: str | None, tmp_path: Path) -> None:
    from holdfast.integrations.docker.compose import TARGET as COMPOSE
    from holdfast.integrations.docker.compose import ComposeOptions

    for name, rendering, file in (
        ("image", TARGET.render(subject, ImageOptions(fetch=fetch)), "Dockerfile"),
        ("stack", COMPOSE.render(None, ComposeOptions()), "image/Dockerfile"),
    ):
        write(rendering, tmp_path / name)
        done = subprocess.run(
            [os.environ["HOLDFAST_TEST_HADOLINT"], "--no-color", str(tmp_path / name / file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
