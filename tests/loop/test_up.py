"""``holdfast up`` as a process, from the first prediction to the last signal."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROW = {"size": 0.5, "heat": 21.0, "kind": "east"}
LIMIT = 96 * 1024


class Up:
    """A running ``holdfast up``."""

    def __init__(self, home: Any, wait: Callable[..., Any]) -> None:
        self.home, self._wait = home, wait
        self._out = home.project / "up.log"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "holdfast.cli", "up", "--port", "0", "--metrics-port", "0",
                 "--control-port", "0"],
                cwd=home.project, env=home.environment, stdout=out, stderr=out,
            )  # fmt: skip
        wait(lambda: "stop with Ctrl-C" in self.said() or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self._out.read_text()

    def address(self, name: str) -> dict[str, Any]:
        return json.loads((self.home.home / "run" / f"{name}.json").read_text())

    def children(self) -> dict[str, psutil.Process]:
        names = {"serve": "server", "holdfast.loop.record": "recorder", "control": "control"}
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it died in this moment
                words = child.cmdline()
                found.update({name: child for word, name in names.items() if word in words})
        return found

    def ask(self, path: str, body: Any = None, where: str = "server") -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address(where)["url"] + path, data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except OSError:
            return 0, None

    def predict(self, *ids: str) -> int:
        records = [{**ROW, "row": name} for name in ids]
        return self.ask("/invocations", {"dataframe_records": records})[0]

    def recorded(self) -> list[str]:
        log = self.home.container.log
        return log.scan("tiny", role="live").select("id").collect()["id"].to_list()

    def serves(self, version: int) -> bool:
        container = self.home.container
        route = container.ask(container.store.routes.current, "tiny")
        reports = container.servers()
        return (
            route.champion.version == version
            and bool(reports)
            and all(report.epochs.get("tiny") == route.epoch for report in reports)
        )

    def kill(self, name: str) -> None:
        victim = self.children()[name]
        victim.send_signal(signal.SIGKILL)
        self._wait(lambda: (new := self.children().get(name)) is not None and new.pid != victim.pid)
        self._wait(lambda: self.ask("/v2/health/ready")[0] == 200, 60)


@pytest.fixture(scope="module")
def up(shared: Any, wait: Callable[..., Any]) -> Iterator[Up]:
    shared.edit('strategy = "direct"', f'strategy = "direct"\n[serve]\nspool_limit = "{LIMIT}B"')
    running = Up(shared, wait)
    try:
        released = shared.json("release", "1", "--wait")
        assert released["state"] == "watched"
        wait(lambda: running.ask("/v2/health/ready")[0] == 200)
        wait(lambda: running.serves(1))
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            running.process.wait(60)


def test_three_contracts_give_one_answer(up: Up) -> None:
    status, mlflow = up.ask("/invocations", {"dataframe_records": [ROW]})
    assert status == 200
    status, tensorflow = up.ask("/v1/models/tiny:predict", {"instances": [ROW]})
    assert status == 200
    inputs = [
        {"name": "size", "shape": [1], "datatype": "FP64", "data": [ROW["size"]]},
        {"name": "heat", "shape": [1], "datatype": "FP64", "data": [ROW["heat"]]},
        {"name": "kind", "shape": [1], "datatype": "BYTES", "data": [ROW["kind"]]},
    ]
    status, kserve = up.ask("/v2/models/tiny/infer", {"inputs": inputs})
    assert status == 200
    outputs = {one["name"]: one["data"][0] for one in kserve["outputs"]}
    probability = outputs["probability"]
    assert 0.5 < probability < 1
    assert f"{probability:.9f}"[:9] in json.dumps(mlflow)
    assert f"{probability:.9f}"[:9] in json.dumps(tensorflow)


def test_predictions_are_recorded_labelled_and_told(up: Up, wait: Callable[..., Any]) -> None:
    names = [f"told-{i}" for i in range(20)]
    assert up.predict(*names) == 200
    wait(lambda: set(names) <= set(up.recorded()))
    file = up.home.project / "labels.csv"
    with file.open("w") as text:
        lines = csv.writer(text)
        lines.writerow(["row", "bad"])
        lines.writerows([name, "true"] for name in (*names, "stranger"))
    added = up.home.json("labels", "add", str(file))
    assert (added["rows"], added["new"], added["unknown"]) == (21, 21, 1)
    up.home.later(minutes=1)
    (status,) = up.home.json("status")
    assert status["live"]["number"] == 1
    assert status["predictions"] >= 20
    assert status["servers"][0]["epochs"] == {"tiny": 1}
    text = up.home.holdfast("status").stdout
    assert "version 1 is live" in text
    assert "epoch 1" in text


def test_what_dies_is_started_again_and_nothing_is_lost(up: Up, wait: Callable[..., Any]) -> None:
    answered = []
    for name in ("recorder", "control", "server"):
        before = f"{name}-before"
        assert up.predict(before) == 200
        up.kill(name)
        assert up.predict(f"{name}-after") == 200
        answered += [before, f"{name}-after"]
    wait(lambda: set(answered) <= set(up.recorded()), 60)
    assert sorted(up.recorded()) == sorted(set(up.recorded())), "each once"
    assert up.said().count("starting it again") == 3
    wait(lambda: up.ask("/api/v1/health", where="control")[0] == 200, 60)


def test_a_full_spool_is_seen_and_the_policy_holds(up: Up, wait: Callable[..., Any]) -> None:
    recorder = up.children()["recorder"]
    recorder.suspend()
    try:
        sent = 0
        rows = [f"full-{i:06d}-{'x' * 60}" for i in range(200)]
        while up.ask("/v2/health/ready")[0] == 200:
            assert up.predict(*rows) == 200, "'answer' goes on answering"
            sent += 1
            assert sent < 100
        assert up.predict("too-much") == 200
        up.home.edit("[serve]", '[serve]\nspool_full = "refuse"')
        server = up.children()["server"]
        server.send_signal(signal.SIGKILL)
        wait(lambda: (new := up.children().get("server")) and new.pid != server.pid, 30)
        wait(lambda: up.ask("/invocations", {"dataframe_records": [ROW]})[0] == 503, 60)
        assert up.ask("/v2/health/ready")[0] != 200
    finally:
        recorder.resume()
    wait(lambda: up.ask("/v2/health/ready")[0] == 200, 60)
    assert up.predict("again") == 200
    wait(lambda: "again" in up.recorded(), 60)


def test_a_corrupt_bundle_is_refused_and_the_old_one_answers_on(
    up: Up, wait: Callable[..., Any]
) -> None:
    version = up.home.container.version("tiny", 3)
    folder = up.home.project / "copy"
    good = Path(version.bundle_path)
    # Versions 1 and 3 are the same bundle, of which the server has a sound copy: the damaged one
    # goes by another digest.
    import shutil

    from holdfast.loop.container import replace

    shutil.copytree(good, folder)
    file = max(folder.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    store = up.home.container.store
    with store.begin() as tx:
        damaged = replace(version, bundle_path=str(folder), bundle="sha256:" + "0" * 64)
        store.versions.save(tx, damaged)
    up.home.holdfast("release", "3", "--force", "to see")
    try:
        (status,) = wait(
            lambda: (said := up.home.json("status"))[0]["servers"][0]["problems"] and said
        )
        assert "tiny" in status["servers"][0]["problems"]
        assert status["servers"][0]["epochs"]["tiny"] < status["route"]["epoch"]
        assert up.predict("still") == 200
        alone = up.home.holdfast(
            "serve",
            str(folder),
            "--port",
            "0",
            "--metrics-port",
            "0",
            status=1,
            HOLDFAST_SERVER="alone",
        )
        assert "bundle." in alone.stderr
    finally:
        up.home.holdfast("rollback", "--to", "1", status=None)
        with store.begin() as tx:
            store.versions.save(tx, version)
    wait(lambda: up.serves(1))


def test_a_rollback_under_load_fails_no_request(up: Up, wait: Callable[..., Any]) -> None:
    assert up.home.json("release", "2", "--wait")["state"] == "watched"
    wait(lambda: up.serves(2))
    stop, statuses = threading.Event(), []

    def load(number: int) -> None:
        while not stop.is_set():
            statuses.append(up.predict(f"load-{number}-{len(statuses)}"))
            time.sleep(0.005)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        done = up.home.json("rollback", "--why", "an alarm")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (done["state"], done["previous"]) == ("rolled_back", 1)
    assert done["switched_in"] < 5
    assert up.serves(1)
    assert len(statuses) > 20
    assert set(statuses) == {200}


def test_another_up_for_this_home_is_refused(up: Up) -> None:
    done = up.home.holdfast("up", "--port", "0", "--control-port", "0", "--json", status=1)
    assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == "up.running"


def test_sigterm_ends_everything_in_order(up: Up) -> None:
    assert up.predict("last") == 200
    children = psutil.Process(up.process.pid).children(recursive=True)
    assert len(children) >= 3
    up.process.terminate()
    assert up.process.wait(60) == 0
    assert not [child for child in children if child.is_running()]
    assert "last" in up.recorded(), "drained before the end"
    assert not (up.home.home / "run" / "control.json").exists()


def test_killed_up_leaves_no_orphans(trained: Any, wait: Any) -> None:
    running = Up(trained, wait)
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert set(running.children()) == {"server", "recorder", "control"}
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    wait(lambda: not any(child.is_running() for child in children), 40)
    again = Up(trained, wait)  # nothing is left that holds the home
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0
