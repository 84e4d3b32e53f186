"""Answered is recorded: servers and recorders as processes, killed, starved of disk, watched."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROW = {"size": 0.5, "heat": 21.0, "kind": "east"}
SEED = 20260302
KILLS = 40


class Plant:
    """A server that was given its bundle, and a recorder, in one home."""

    def __init__(self, home: Any, wait: Callable[..., Any]) -> None:
        self.home, self._wait = home, wait
        self.bundle = home.container.version("tiny", 1).bundle_path
        self.processes: list[subprocess.Popen[bytes]] = []
        self.started = 0

    def serve(self, **environment: str) -> Server:
        self.started += 1
        ready = self.home.project / f"ready-{self.started}.json"
        words = ["serve", self.bundle, "--port", "0", "--metrics-port", "0"]
        process = self._start("holdfast.cli", *words, "--ready-file", str(ready), **environment)
        return Server(process, ready, self._wait)

    def record(self) -> subprocess.Popen[bytes]:
        return self._start("holdfast.loop.record")

    def _start(self, module: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.home.project / "said.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=self.home.project, env={**self.home.environment, **environment},
                stdout=out, stderr=out,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def recorded(self) -> list[str]:
        rows = self.home.container.log.scan("tiny", role="live").select("prediction_id")
        return rows.collect()["prediction_id"].to_list()

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


class Server:
    """One started server."""

    def __init__(
        self, process: subprocess.Popen[bytes], ready: Path, wait: Callable[..., Any]
    ) -> None:
        self.process, self._ready, self._wait = process, ready, wait

    @property
    def address(self) -> dict[str, Any] | None:
        with contextlib.suppress(OSError):
            found: dict[str, Any] = json.loads(self._ready.read_text())
            return found
        return None

    @property
    def port(self) -> int | None:
        found = self.address
        return None if found is None else int(found["url"].rpartition(":")[2])

    def up(self) -> Server:
        self._wait(lambda: self.ready == 200, 60)
        return self

    @property
    def ready(self) -> int:
        return 0 if self.port is None else get(self.port, "/v2/health/ready")[0]

    def predict(self, *rows: dict[str, Any]) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            return ask(connection, rows or (ROW,))

    def metric(self, name: str) -> float:
        port = int(self.address["metrics_url"].rpartition(":")[2].partition("/")[0])
        text = get(port, "/metrics")[1]
        lines = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(lines[0].rpartition(" ")[2])


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""


def ask(connection: http.client.HTTPConnection, rows: Any) -> tuple[int, str]:
    body = json.dumps({"dataframe_records": list(rows)})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("X-Holdfast-Prediction-Id", "")


@pytest.fixture
def plant(trained: Any, wait: Callable[..., Any]) -> Iterator[Plant]:
    made = Plant(trained, wait)
    yield made
    made.end()


class Load:
    """Callers that never stop asking, and keep what was answered whole."""

    def __init__(self, plant: Plant, callers: int) -> None:
        self.server: Server = plant.serve().up()
        self.answered: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(random.Random(SEED + n),))
            for n in range(callers)
        ]
        for thread in self._threads:
            thread.start()

    def _call(self, rng: random.Random) -> None:
        while not self._stop.is_set():
            port = self.server.port
            if port is None:
                self._stop.wait(0.02)
                continue
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                while not self._stop.is_set():
                    rows = rng.choice([1, 1, 1, 3])
                    status, name = ask(connection, [ROW] * rows)
                    if status == 200:
                        self.answered += (
                            [name] if rows == 1 else [f"{name}:{i}" for i in range(rows)]
                        )
            except (OSError, http.client.HTTPException):
                self._stop.wait(0.01)
            finally:
                connection.close()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_kill_9_at_any_point_loses_no_answer_and_repeats_none(
    plant: Plant, wait: Callable[..., Any]
) -> None:
    rng = random.Random(SEED)
    recorder = plant.record()
    load = Load(plant, callers=4)
    killed: Counter[str] = Counter()
    for _ in range(KILLS):
        # Most kills come under load, some while the process is still starting.
        if rng.random() < 0.8:
            load.server.up()
            before = len(load.answered)
            wait(lambda before=before: len(load.answered) > before + 20, 120)
        time.sleep(rng.uniform(0.0, 0.5))
        victim = rng.choice(["server", "recorder"])
        process = load.server.process if victim == "server" else recorder
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed[victim] += 1
        if victim == "server":
            load.server = plant.serve()
        else:
            recorder = plant.record()
    load.server.up()
    load.stop()
    assert min(killed.values()) > 10
    assert len(load.answered) > KILLS * 10
    wait(lambda: set(load.answered) <= set(plant.recorded()), 120)
    times = Counter(plant.recorded())
    assert [name for name, count in times.items() if count > 1] == []
    load.server.process.send_signal(signal.SIGTERM)
    assert load.server.process.wait(60) == 0


def test_two_servers_of_one_bundle_share_a_home(plant: Plant, wait: Callable[..., Any]) -> None:
    one, other = plant.serve(), plant.serve()
    names = [server.up().predict()[1] for server in (one, other)]
    plant.record()
    wait(lambda: sorted(plant.recorded()) == sorted(names), 60)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, timeout=20)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=20)


@pytest.mark.heavy
@pytest.mark.parametrize("policy", ["answer", "refuse"])
def test_a_full_disk_costs_what_was_chosen_and_is_left_again(
    plant: Plant, wait: Callable[..., Any], policy: str
) -> None:
    """A real file system of 256 KiB; needs root, as scripts/heavy.sh has in CI."""
    home = plant.home
    home.edit('strategy = "direct"', f'strategy = "direct"\n[serve]\nspool_full = "{policy}"')
    with small_disk(home.home / "spool", "256k"):
        server = plant.serve().up()
        answered = []
        while server.ready == 200:
            for _ in range(50):
                status, name = server.predict(*[ROW] * 50)
                if status == 200:
                    answered.append(name)
        wait(lambda: server.metric("holdfast_spool_healthy") == 0)
        lost = server.metric("holdfast_spool_lost_total")
        assert lost > 0
        status, name = server.predict()
        assert status == (200 if policy == "answer" else 503)
        answered += [name] if status == 200 else []
        assert server.metric("holdfast_spool_lost_total") == lost + 1
        # Nobody appends now: it must find out by itself that the recorder made room.
        plant.record()
        wait(lambda: server.ready == 200, 60)
        assert server.metric("holdfast_spool_healthy") == 1
        status, name = server.predict()
        assert status == 200
        wait(lambda: name in plant.recorded(), 60)
        requests = {prediction.partition(":")[0] for prediction in plant.recorded()}
        missing = len([name for name in answered if name not in requests])
        assert missing == (lost + 1 if policy == "answer" else 0)
        plant.end()


@pytest.mark.heavy
def test_fsync_always_is_shared_by_those_who_wait(plant: Plant, wait: Callable[..., Any]) -> None:
    plant.home.edit('strategy = "direct"', 'strategy = "direct"\n[serve]\nfsync = "always"')
    plant.record()
    load = Load(plant, callers=8)
    wait(lambda: len(load.answered) > 500, 120)
    load.server.process.kill()
    load.stop()
    wait(lambda: set(load.answered) <= set(plant.recorded()), 60)


def test_the_lag_is_told_when_no_recorder_runs(plant: Plant, wait: Callable[..., Any]) -> None:
    server = plant.serve().up()
    for _ in range(5):
        server.predict()
    home = plant.home
    assert "behind" not in home.holdfast("status").stdout
    home.later(minutes=2)
    (state,) = (one["recorder"] for one in home.json("status"))
    assert (state["lag_records"], state["lag_seconds"] >= 120) == (5, True)
    assert "recorder is about 5 predictions and 12" in home.holdfast("status").stdout
    plant.record()
    wait(lambda: len(plant.recorded()) == 5, 60)
    wait(lambda: home.json("status")[0]["recorder"]["lag_bytes"] == 0)
