"""Real processes, real sockets, real ONNX bundles, a real spool."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
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
from sklearn.ensemble import HistGradientBoostingClassifier

from holdfast.bundle.manifest import bundle_digest
from holdfast.errors import UsageError
from holdfast.records import Arm, Reference, Route
from holdfast.registry.build import build_bundle
from holdfast.serving.options import ServeOptions
from holdfast.serving.process import serve, serving_environment
from holdfast.spec import parse_spec

NOW = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = [f"x{number}" for number in range(8)]
MAIN = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
import msgspec
from holdfast.recording.spool import FileSpool
from holdfast.records import Route
from holdfast.serving.follow import ControlAddress
from holdfast.serving.loader import bundle_loader
from holdfast.serving.options import ServeOptions
from holdfast.serving.process import serve

class Clock:
    def now(self): return datetime.now(UTC)
    def timestamp(self): return time.time()

given = json.loads(sys.argv[1])
home = Path(given["home"])
control = given.get("control")
options = ServeOptions(
    server="s", home=home, port=0, metrics_port=0, workers=given.get("workers", 1),
    routes=msgspec.json.decode(json.dumps(given.get("routes", [])), type=list[Route]),
    control=ControlAddress(url=control, wait=5, retry_failed=0.1) if control else None,
    ready_file=home / "ready.json",
)
status = serve(
    options, clock=Clock(), load=bundle_loader(), command=[sys.executable, *sys.argv],
    open_spool=lambda writer: FileSpool(home / "spool", 2**28, writer=writer),
)
(home / "modules.json").write_text(json.dumps(sorted(sys.modules)))
sys.exit(status)
"""


class Model:
    """A fitted estimator and its bundle."""

    def __init__(self, folder: Path, number: int) -> None:
        rng = np.random.default_rng(number)
        values = rng.normal(size=(900, len(NAMES)))
        late = values[:, 0] * number + values[:, 1] > 0
        frame = pl.DataFrame(
            {name: values[:, column] for column, name in enumerate(NAMES)}
            | {"at": [NOW + timedelta(minutes=n) for n in range(900)], "late": late}
        )
        self.estimator = HistGradientBoostingClassifier(max_iter=20, random_state=0)
        self.estimator.fit(frame.select(NAMES).to_pandas(), late)
        pickled = folder / f"{number}.pkl"
        pickled.write_bytes(cloudpickle.dumps(self.estimator))
        spec = parse_spec(
            f"""
            [model]
            name = "late"
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
        self.folder = folder / str(number)
        self.manifest = build_bundle(
            self.folder, estimator_pickle=pickled, train=frame.head(700), test=frame.tail(200),
            spec=spec, run="r", dataset="sha256:d", lock="", now=NOW, key=bytes(32),
            reference=Reference(bins=(), summaries=(), loss=0.1, loss_low=0.1, loss_high=0.1),
        )  # fmt: skip
        self.arm = Arm(
            version=number, bundle=bundle_digest(self.folder), path=str(self.folder), weight=1.0
        )

    def route(self, epoch: int) -> Route:
        return Route(model="late", epoch=epoch, arms=(self.arm,), created_at=NOW)


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any) -> list[Model]:
    folder = tmp_path_factory.mktemp("models")
    made = [Model(folder, number) for number in (1, 2)]
    assert [model.manifest.predictor for model in made] == ["onnx", "onnx"]
    return made


class Process:
    """One started server."""

    def __init__(self, home: Path, given: dict[str, Any]) -> None:
        self.home = home
        script = home / "main.py"
        script.write_text(MAIN)
        self.popen = subprocess.Popen(
            [sys.executable, str(script), json.dumps({"home": str(home), **given})],
            env=serving_environment(),
            stderr=subprocess.PIPE,
        )
        try:
            until(lambda: (home / "ready.json").exists() or self.popen.poll() is not None)
            state = json.loads((home / "ready.json").read_text())
            self.url, self.metrics_url = state["url"], state["metrics_url"]
            self.port = int(self.url.rpartition(":")[2])
        except BaseException:
            self.kill()
            raise

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def post(self, connection: http.client.HTTPConnection, rows: Any) -> tuple[int, Any, str]:
        body = json.dumps({"dataframe_split": {"columns": NAMES, "data": rows}})
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        version = response.headers.get("X-Holdfast-Version", "")
        return response.status, json.loads(response.read()), version

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(20)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        assert self.popen.stderr is not None
        self.popen.stderr.close()


def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(**given: Any) -> Process:
        process = Process(tmp_path, given)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()


def plain(*routes: Route) -> list[Any]:
    return [route.to_dict() for route in routes]


def pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def recorded(home: Path) -> int:
    """Rows in the spool."""
    from holdfast.recording import segments

    scans = [segments.read(path) for path in sorted((home / "spool").glob("*/*.seg"))]
    return sum(batch.rows for scan in scans for batch in scan.batches)


def test_a_real_bundle_is_answered_as_its_estimator_would(
    models: list[Model], start: Callable[..., Process]
) -> None:
    process = start(routes=plain(models[0].route(1)))
    until(lambda: process.get("/v2/health/ready")[0] == 200)
    rows = np.random.default_rng(5).normal(size=(50, len(NAMES)))
    connection = process.connect()
    status, body, version = process.post(connection, rows.tolist())
    assert (status, version) == (200, "1")
    expected = models[0].estimator.predict_proba(pl.DataFrame(rows, NAMES).to_pandas())[:, 1]
    given = np.array([item["probability"] for item in body["predictions"]])
    assert np.abs(given - expected).max() < 1e-5
    for _ in range(200):
        assert process.post(connection, rows[:1].tolist())[0] == 200
    connection.close()
    assert pss(process.popen.pid) < 120
    with urllib.request.urlopen(process.metrics_url, timeout=5) as response:
        assert 'holdfast_rows_total{model="late",version="1"} 250.0' in response.read().decode()
    assert process.stop() == 0
    modules = set(json.loads((process.home / "modules.json").read_text()))
    assert not modules & {"pandas", "polars", "sklearn", "mlflow", "scipy", "httpx", "pyarrow"}
    assert recorded(process.home) == 250


def test_a_stop_finishes_what_was_begun(models: list[Model], start: Callable[..., Process]) -> None:
    process = start(routes=plain(models[0].route(1)))
    until(lambda: process.get("/ping")[0] == 200)
    body = json.dumps({"instances": [dict.fromkeys(NAMES, 0.5)]}).encode()
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as begun:
        begun.sendall(head + body[:5])
        until(lambda: process.get("/v2/health/ready")[0] == 200)
        process.popen.send_signal(signal.SIGTERM)
        until(lambda: process.get("/v2/health/ready")[0] != 200)
        begun.sendall(body[5:])
        answer = b""
        while part := begun.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()
    assert process.popen.wait(20) == 0


def test_swaps_ordered_by_control_fail_no_request(
    toys: Any, models: list[Model], start: Callable[..., Process]
) -> None:
    control = toys.Control()
    try:
        process = start(control=f"http://127.0.0.1:{control.port}")
        assert process.get("/ping")[0] == 404
        control.order(models[0].route(1))
        control.report(lambda report: report.epochs == {"late": 1})
        stop = threading.Event()
        seen: list[tuple[int, str]] = []

        def call() -> None:
            connection = process.connect()
            while not stop.is_set():
                status, _, version = process.post(connection, [[0.5] * len(NAMES)])
                seen.append((status, version))
            connection.close()

        callers = [threading.Thread(target=call) for _ in range(2)]
        for caller in callers:
            caller.start()
        for epoch in range(2, 12):
            control.order(models[epoch % 2].route(epoch))
            control.report(lambda report, epoch=epoch: report.epochs == {"late": epoch})
        stop.set()
        for caller in callers:
            caller.join()
        assert {status for status, _ in seen} == {200}
        assert {version for _, version in seen} == {"1", "2"}
        assert process.stop() == 0
    finally:
        control.close()


def test_the_last_routes_are_served_without_control(
    toys: Any, models: list[Model], start: Callable[..., Process], tmp_path: Path
) -> None:
    control = toys.Control()
    control.order(models[1].route(6))
    process = start(control=f"http://127.0.0.1:{control.port}")
    control.report(lambda report: report.epochs == {"late": 6})
    until(lambda: (tmp_path / "serve" / "routes-s.json").exists())
    process.popen.kill()
    process.popen.wait()
    control.close()
    (tmp_path / "ready.json").unlink()
    again = start(control=f"http://127.0.0.1:{control.port}")
    until(lambda: again.get("/ping")[0] == 200)
    connection = again.connect()
    assert again.post(connection, [[0.5] * len(NAMES)])[::2] == (200, "2")
    connection.close()
    assert again.stop() == 0


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_workers_share_the_socket_and_are_started_again(
    models: list[Model], start: Callable[..., Process]
) -> None:
    process = start(routes=plain(models[0].route(1)), workers=2)
    until(lambda: process.get("/ping")[0] == 200)
    first = children(process.popen.pid)
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    until(lambda: len(set(children(process.popen.pid)) - set(first)) == 1)
    for _ in range(20):
        connection = process.connect()
        assert process.post(connection, [[0.5] * len(NAMES)])[0] in (200, 503)
        connection.close()

    def counted() -> bool:
        with urllib.request.urlopen(process.metrics_url, timeout=5) as response:
            return "holdfast_requests_total" in response.read().decode()

    until(counted)  # workers count a few times a second
    workers = children(process.popen.pid)
    assert process.stop() == 0
    assert all(map(gone, workers))


def test_workers_do_not_outlive_their_parent(
    models: list[Model], start: Callable[..., Process]
) -> None:
    process = start(routes=plain(models[0].route(1)), workers=2)
    until(lambda: process.get("/ping")[0] == 200)
    workers = children(process.popen.pid)
    process.popen.kill()
    until(lambda: all(map(gone, workers)))


def test_a_fixed_route_that_cannot_be_served_ends_the_process(
    models: list[Model], start: Callable[..., Process]
) -> None:
    arm = Arm(version=1, bundle="sha256:0", path=str(models[0].folder), weight=1.0)
    process = start(routes=plain(Route(model="late", epoch=1, arms=(arm,), created_at=NOW)))
    assert process.popen.wait(20) != 0
    assert process.popen.stderr is not None
    assert b"bundle.not_live" in process.popen.stderr.read()


def options(tmp_path: Path, **more: Any) -> ServeOptions:
    return ServeOptions(server="s", home=tmp_path, **more)


def test_addresses_that_are_refused(toys: Any, tmp_path: Path) -> None:
    def begin(**more: Any) -> None:
        serve(
            options(tmp_path, **more), clock=toys.Clock(), load=toys.Shelf().load,
            open_spool=lambda _: toys.Kept(),
        )  # fmt: skip

    for host in ("0.0.0.0", "192.0.2.1", "::", "example.org"):
        with pytest.raises(UsageError, match="no token is set"):
            begin(host=host, port=0)
    with pytest.raises(UsageError, match="cannot listen"):
        begin(host="192.0.2.1", port=0, anonymous=True)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UsageError, match="cannot listen"),
    ):
        begin(port=taken.getsockname()[1])
    with pytest.raises(UsageError, match="need the command"):
        begin(port=0, workers=2)
