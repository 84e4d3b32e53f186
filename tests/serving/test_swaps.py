"""Real servers under load: swaps, rollbacks, canaries, shadows, and life without anything else."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from holdfast.bundle.manifest import bundle_digest
from holdfast.recording import segments
from holdfast.records import Arm, PredictionBatch, Reference, Route
from holdfast.registry.build import build_bundle
from holdfast.spec import parse_spec

NOW = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = ["x0", "x1", "x2"]
ROW = [0.5, -0.25, 1.0]


class Waits(ClassifierMixin, BaseEstimator):
    """Waits for a file when x0 is above 100; fails when it is below -100."""

    def __init__(self, file: str = "") -> None:
        self.file = file

    def fit(self, frame: Any, labels: Any) -> Waits:
        self.classes_ = np.unique(labels)
        self.n_features_in_ = len(NAMES)
        return self

    def predict_proba(self, frame: Any) -> Any:
        import os
        import time

        import numpy as np

        first = np.asarray(frame)[:, 0].astype(float)
        while (first > 100).any() and not os.path.exists(self.file):  # noqa: PTH110
            time.sleep(0.01)
        if (first < -100).any():
            raise RuntimeError("not this row")
        share = 1 / (1 + np.exp(-first / 100))
        return np.stack([1 - share, share], axis=1)

    def predict(self, frame: Any) -> Any:
        return self.classes_[(self.predict_proba(frame)[:, 1] >= 0.5).astype(int)]


def build(folder: Path, estimator: Any, *, model: str = "late", turn: float = 1.0) -> Arm:
    """A bundle of an estimator fitted here; ``turn`` makes its answers its own."""
    values = np.random.default_rng(3).normal(size=(300, len(NAMES)))
    frame = pl.DataFrame(
        {name: values[:, column] for column, name in enumerate(NAMES)}
        | {"at": [NOW + timedelta(minutes=n) for n in range(300)]}
        | {"late": values[:, 0] * turn + values[:, 1] > 0}
    )
    estimator.fit(frame.select(NAMES).to_pandas(), frame["late"].to_numpy())
    pickled = folder.with_suffix(".pkl")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        pickled.write_bytes(cloudpickle.dumps(estimator))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    spec = parse_spec(
        f"""
        [model]
        name = "{model}"
        task = "binary"
        train = "a:b"
        [data]
        source = "x.parquet"
        time = "at"
        label = "late"
        features = {NAMES}
        [gate]
        metric = "roc_auc"
        """
    )
    build_bundle(
        folder, estimator_pickle=pickled, train=frame.head(200), test=frame.tail(100), spec=spec,
        run="r", dataset="sha256:d", lock="", now=NOW, key=bytes(32),
        reference=Reference(bins=(), summaries=(), loss=0.1, loss_low=0.1, loss_high=0.1),
    )  # fmt: skip
    return Arm(version=1, bundle=bundle_digest(folder), path=str(folder), weight=1.0)


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> list[Arm]:
    folder = tmp_path_factory.mktemp("bundles")
    turns = (1.0, -1.0)
    return [build(folder / f"{n}", LogisticRegression(), turn=turn) for n, turn in enumerate(turns)]


def as_version(arm: Arm, version: int, weight: float = 1.0) -> Arm:
    return Arm(version=version, bundle=arm.bundle, path=arm.path, weight=weight)


def route(epoch: int, *arms: Arm, model: str = "late", **more: Any) -> Route:
    return Route(model=model, epoch=epoch, arms=arms, created_at=NOW, **more)


class Server:
    """``holdfast serve`` as users start it."""

    def __init__(self, home: Path, *words: str, name: str = "s", **env: str) -> None:
        self.home = home
        home.mkdir(exist_ok=True)
        ready = home / "ready.json"
        ready.unlink(missing_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_", "MLFLOW_"))}
        self.log = home / "serve.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [
                    sys.executable, "-m", "holdfast.cli", "serve", *words, "--port", "0",
                    "--metrics-port", "0", "--ready-file", str(ready),
                ],
                cwd=home, stdout=log, stderr=log,
                env={**kept, "HOLDFAST_HOME": str(home), "HOLDFAST_SERVER": name, **env},
            )  # fmt: skip
        try:
            until(lambda: ready.exists() or self.popen.poll() is not None)
            state = json.loads(ready.read_text())
            self.port = int(state["url"].rpartition(":")[2])
            self.metrics_url = state["metrics_url"]
        except BaseException:
            self.kill()
            raise

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def ask(self, row: list[float], **headers: str) -> tuple[int, str, Any]:
        """One row on a connection of its own: status, version and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/invocations", body_of(row), {**_JSON, **headers})
            response = connection.getresponse()
            version = response.headers.get("X-Holdfast-Version", "")
            return response.status, version, json.loads(response.read())
        finally:
            connection.close()

    def order(self, path: str) -> tuple[int, Any]:
        """A command to the port of the metrics."""
        url = self.metrics_url.replace("/metrics", f"/v2/repository/{path}")
        with urllib.request.urlopen(urllib.request.Request(url, b""), timeout=60) as response:
            return response.status, json.loads(response.read())

    def metrics(self) -> str:
        with urllib.request.urlopen(self.metrics_url, timeout=60) as response:
            text: str = response.read().decode()
            return text

    def recorded(self) -> list[PredictionBatch]:
        files = sorted((self.home / "spool").rglob("*.seg"))
        return [batch for file in files for batch in segments.read(file).batches]

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


_JSON = {"Content-Type": "application/json"}


def body_of(row: list[float]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": NAMES, "data": [row]}}).encode()


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


@pytest.fixture
def control(toys: Any) -> Iterator[Any]:
    made = toys.Control()
    yield made
    made.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def begin(*words: str, home: str = "home", **more: str) -> Server:
        started.append(Server(tmp_path / home, *words, **more))
        return started[-1]

    yield begin
    for server in started:
        server.kill()


class Load:
    """Callers on connections they keep. Each answer must be of a version that was routable while
    its request was under way, and be what that version answers.
    """

    def __init__(self, port: int, expected: list[float]) -> None:
        self.port = port
        self.expected = expected
        self.confirmed = self.ordered = 1
        self.answers = 0
        self.faults: list[str] = []
        self.stop = False

    async def call(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = body_of(ROW)
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        while not self.stop and len(self.faults) < 5:
            least = self.confirmed
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            headers = dict(
                line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:] if line
            )
            given = await reader.readexactly(int(headers[b"content-length"]))
            self._judge(answer, headers, given, least)
        writer.close()

    def _judge(self, head: bytes, headers: dict[bytes, bytes], body: bytes, least: int) -> None:
        self.answers += 1
        if not head.startswith(b"HTTP/1.1 200"):
            self.faults.append(repr(head[:40] + body[:200]))
            return
        version = int(headers[b"x-holdfast-version"])
        if not least <= version <= self.ordered:
            self.faults.append(f"version {version} of {least} to {self.ordered}")
        share = json.loads(body)["predictions"][0]["probability"]
        if abs(share - self.expected[version % 2]) > 1e-4:
            self.faults.append(f"version {version} answered {share}")


def resident_memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def swap(
    control: Any, server: Server, arms: list[Arm], *, swaps: int, connections: int, warm: int
) -> list[float]:
    """Orders version after version under load; returns MB after the warm-up and at the end."""
    control.order(route(1, as_version(arms[1], 1)))
    control.report(lambda report: report.epochs == {"late": 1})
    answers = [server.ask(ROW)[2]["predictions"][0]["probability"]]
    control.order(route(2, as_version(arms[0], 2)))
    control.report(lambda report: report.epochs == {"late": 2})
    answers.insert(0, server.ask(ROW)[2]["predictions"][0]["probability"])
    assert abs(answers[0] - answers[1]) > 0.01
    load = Load(server.port, answers)
    load.confirmed = load.ordered = 2
    memory = []

    def orders() -> None:
        for epoch in range(3, swaps + 3):
            before = as_version(arms[(epoch - 1) % 2], epoch - 1, 0.0)
            load.ordered = epoch
            control.order(route(epoch, as_version(arms[epoch % 2], epoch), resident=(before,)))
            control.report(lambda report, epoch=epoch: report.epochs == {"late": epoch})
            load.confirmed = epoch
            if epoch == warm:
                memory.append(resident_memory(server.popen.pid))
            if load.faults:
                return

    async def scene() -> None:
        callers = [asyncio.create_task(load.call()) for _ in range(connections)]
        await asyncio.to_thread(orders)
        load.stop = True
        await asyncio.gather(*callers)

    asyncio.run(scene())
    assert load.faults == []
    assert load.answers > connections
    return [*memory, resident_memory(server.popen.pid)]


def test_swaps_under_load_fail_and_misroute_nothing(
    control: Any, start: Any, arms: list[Arm]
) -> None:
    server = start(HOLDFAST_CONTROL_URL=f"http://127.0.0.1:{control.port}")
    swap(control, server, arms, swaps=20, connections=8, warm=10)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_a_thousand_swaps_under_load_leave_no_trace(
    control: Any, start: Any, arms: list[Arm]
) -> None:
    server = start(HOLDFAST_CONTROL_URL=f"http://127.0.0.1:{control.port}")
    warm, end = swap(control, server, arms, swaps=1000, connections=64, warm=200)
    # each version counts in metrics of its own, some kB; a version kept would be 100 kB or more
    assert end - warm < 24


def test_a_rollback_opens_no_bundle(
    control: Any, start: Any, arms: list[Arm], tmp_path: Path
) -> None:
    moved = tmp_path / "bundles"
    moved.mkdir()
    here = []
    for number, arm in enumerate(arms):
        shutil.copytree(arm.path, moved / str(number))
        here.append(Arm(version=number, bundle=arm.bundle, path=str(moved / str(number))))
    server = start(HOLDFAST_CONTROL_URL=f"http://127.0.0.1:{control.port}")
    for epoch in (1, 2):
        control.order(route(epoch, as_version(here[epoch % 2], epoch % 2)))
        control.report(lambda report, epoch=epoch: report.epochs == {"late": epoch})
    resident = as_version(here[1], 1, 0.0)
    control.order(route(3, as_version(here[0], 0), resident=(resident,)))
    control.report(lambda report: report.epochs == {"late": 3})
    until(lambda: server.get("/v2/models/late/versions/1") == 200)
    shutil.rmtree(moved)
    shutil.rmtree(server.home / "serve" / "bundles")
    control.order(route(4, as_version(resident, 1)))
    control.report(lambda report: report.epochs == {"late": 4})
    assert server.ask(ROW)[:2] == (200, "1")


def test_a_bundle_that_fails_never_goes_live_and_the_reason_is_shown(
    control: Any, start: Any, arms: list[Arm], tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(arms[1].path, changed)
    (changed / "golden.json").write_bytes(b"{}")
    server = start(HOLDFAST_CONTROL_URL=f"http://127.0.0.1:{control.port}")
    control.order(route(1, as_version(arms[0], 1)))
    control.report(lambda report: report.epochs == {"late": 1})
    bad = Arm(version=2, bundle=arms[1].bundle, path=str(changed), weight=1.0)
    control.order(route(2, bad))
    report = control.report(lambda report: bool(report.problems))
    assert report.epochs == {"late": 1}
    assert "golden.json" in report.problems["late"]
    assert server.ask(ROW)[:2] == (200, "1")
    failed = 'holdfast_model_load_failed_total{model="late",reason="bundle.corrupt"} 1.0'
    assert failed in server.metrics()
    status, index = server.order("index")
    assert status == 200
    assert "golden.json" in index[0]["reason"]


@pytest.mark.heavy  # six processes
def test_a_key_gets_the_same_version_on_all_workers_of_all_servers(
    control: Any, start: Any, arms: list[Arm]
) -> None:
    control.order(route(1, as_version(arms[0], 1, 0.5), as_version(arms[1], 2, 0.5)))
    url = f"http://127.0.0.1:{control.port}"
    servers = [
        start("--workers", "2", home=f"home{n}", name=f"s{n}", HOLDFAST_CONTROL_URL=url)
        for n in range(2)
    ]
    ready: set[str] = set()
    control.report(lambda report: report.epochs and (ready.add(report.server), len(ready) == 4)[1])
    seen: dict[str, set[str]] = {}
    for turn in range(20):
        for number in range(20):
            key = f"user-{number}"
            server = servers[turn % 2]
            status, version, _ = server.ask(ROW, **{"X-Holdfast-Routing-Key": key})
            assert status == 200
            seen.setdefault(key, set()).add(version)
    assert all(len(versions) == 1 for versions in seen.values())
    assert set.union(*seen.values()) == {"1", "2"}
    for server in servers:  # each worker answered some
        writers = {file.parent.name for file in (server.home / "spool").rglob("*.seg")}
        assert len(writers) == 2


def test_a_shadow_that_hangs_or_fails_is_seen_by_nobody_and_recorded(
    control: Any, start: Any, arms: list[Arm], tmp_path: Path
) -> None:
    file = tmp_path / "go"
    shadow = build(tmp_path / "waits", Waits(str(file)))
    server = start(
        "--allow-pickle", HOLDFAST_CONTROL_URL=f"http://127.0.0.1:{control.port}"
    )  # fmt: skip
    control.order(route(1, as_version(arms[0], 1), shadow=(as_version(shadow, 2, 0.0),)))
    report = control.report(lambda report: report.epochs == {"late": 1})
    assert report.problems == {}
    # it hangs until the file is there: so these were answered without it
    rows = [[200.0, 0.0, 0.0]] * 20 + [[-200.0, 0.0, 0.0]] * 5
    for row in rows:
        assert server.ask(row)[:2] == (200, "1")
    assert all(batch.role == "live" for batch in server.recorded())
    file.touch()
    until(lambda: len(server.recorded()) == 2 * len(rows))
    live = {batch.request: batch for batch in server.recorded() if batch.role == "live"}
    shadows = [batch for batch in server.recorded() if batch.role == "shadow"]
    assert {batch.request for batch in shadows} == set(live)
    assert {batch.version for batch in shadows} == {2}
    assert sum(bool(batch.error) for batch in shadows) == 5
    assert 'holdfast_shadow_failed_total{model="late",version="2"} 5.0' in server.metrics()


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.heavy)])
def test_a_server_starts_again_with_everything_else_gone(
    toys: Any, start: Any, arms: list[Arm], tmp_path: Path, workers: str
) -> None:
    control = toys.Control()
    source = tmp_path / "store"
    source.mkdir()
    orders = []
    for number, arm in enumerate(arms):
        folder = source / str(number)
        shutil.copytree(arm.path, folder)
        orders.append(Arm(version=number, bundle=arm.bundle, path=str(folder), weight=0.5))
    control.order(route(3, *orders))
    url = f"http://127.0.0.1:{control.port}"
    try:
        server = start("--workers", workers, HOLDFAST_CONTROL_URL=url)
        for _ in range(int(workers)):
            control.report(lambda report: report.epochs == {"late": 3})
        files = [f"routes-s{'' if workers == '1' else f'-{n}'}.json" for n in range(int(workers))]
        until(lambda: all((server.home / "serve" / file).exists() for file in files))
        assert server.ask(ROW)[0] == 200
    finally:
        control.close()
    server.popen.send_signal(signal.SIGKILL)
    server.popen.wait()
    source.rename(tmp_path / "away")
    # under another name, as a container has after it was started anew
    again = start("--workers", workers, name="other", HOLDFAST_CONTROL_URL=url)
    until(lambda: again.get("/v2/health/ready") == 200)
    versions = {again.ask(ROW, **{"X-Holdfast-Routing-Key": f"{n}"})[:2] for n in range(20)}
    assert versions == {(200, "0"), (200, "1")}


def test_a_folder_of_bundles_is_served_under_a_budget(start: Any, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("one", "two"):
        build(folder / name, LogisticRegression(), model=name)
    server = start(str(folder), "--memory", "300KiB")  # a model counts at least 256 KiB
    until(lambda: server.get("/v2/health/ready") == 200)
    for name in ("one", "two", "one"):
        assert server.ask(ROW, **{"X-Holdfast-Model": name})[0] == 200
        assert "holdfast_models_loaded 1.0" in server.metrics()
    assert server.ask(ROW)[0] == 400
    assert {one["name"]: one["state"] for one in server.order("index")[1]} == {
        "one": "READY", "two": "READY",
    }  # fmt: skip


@pytest.mark.heavy
def test_sagemaker_and_operators_reach_every_worker(start: Any, tmp_path: Path) -> None:
    root = tmp_path / "models"
    root.mkdir()
    build(root / "one", LogisticRegression(), model="churn")
    server = start(
        "--workers", "2", SAGEMAKER_MULTI_MODEL="true", HOLDFAST_MODEL_ROOT=str(root),
        TMPDIR=str(tmp_path),
    )  # fmt: skip
    until(lambda: len(list(tmp_path.glob("holdfast-metrics-*/worker-*.sock"))) == 2)
    until(lambda: server.get("/ping") == 200)
    body = json.dumps({"model_name": "f00d", "url": str(root / "one")}).encode()
    base = f"http://127.0.0.1:{server.port}/models"
    with urllib.request.urlopen(urllib.request.Request(base, body), timeout=60) as response:
        assert response.status == 200
    for _ in range(10):
        asked = urllib.request.Request(f"{base}/f00d/invoke", body_of(ROW), _JSON)
        with urllib.request.urlopen(asked, timeout=60) as response:
            assert response.status == 200
    assert server.order("models/f00d/unload")[0] == 200
    assert {server.ask(ROW, **{"X-Holdfast-Model": "f00d"})[0] for _ in range(10)} == {404}
