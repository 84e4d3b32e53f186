"""``holdfast serve --grpc-port`` as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from holdfast.errors import UsageError
from holdfast.serving.options import ServeOptions, hold_grpc
from holdfast.serving.rpc.protocol import SERVICE, message

PAGE = Path(__file__).parents[3] / "docs" / "contracts" / "open-inference.md"
ROW = {"size": 0.5, "heat": 21.0}


class Running:
    def __init__(self, popen: subprocess.Popen[bytes], state: dict[str, Any]) -> None:
        self.popen = popen
        self.state = state

    @contextmanager
    def channel(self) -> Iterator[Callable[[], Any]]:
        """A way to score a row over a connection of its own."""
        request = message("ModelInferRequest")(model_name="tiny")
        for name, value in ROW.items():
            tensor = request.inputs.add(name=name, datatype="FP64", shape=[1])
            tensor.contents.fp64_contents.append(value)
        tensor = request.inputs.add(name="kind", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(b"east")
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(self.state["grpc"], options) as channel:
            call = channel.unary_unary(
                f"/{SERVICE}/ModelInfer",
                request_serializer=lambda given: given.SerializeToString(),
                response_deserializer=message("ModelInferResponse").FromString,
            )
            yield lambda: call(request, timeout=30.0)


@pytest.fixture
def serve(shared: Any, tmp_path: Path, wait: Any) -> Iterator[Callable[..., Running]]:
    started: list[subprocess.Popen[bytes]] = []
    (bundle, *_) = (file.parent for file in shared.home.rglob("bundle.json"))

    def begin(*words: str, **variables: str) -> Running:
        ready = tmp_path / f"ready-{len(started)}.json"
        popen = subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", "serve", str(bundle), "--port", "0",
             "--metrics-port", "0", "--ready-file", str(ready), *words],
            cwd=shared.project, env={**shared.environment, **variables}, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(popen)
        wait(lambda: ready.exists() or popen.poll() is not None, 60.0)
        return Running(popen, json.loads(ready.read_text()) if ready.exists() else {})

    yield begin
    for popen in started:
        popen.kill()
        popen.wait()
        assert popen.stderr is not None
        popen.stderr.close()


def answered(call: Callable[[], Any]) -> Any:
    """The answer, or None while there is none."""
    try:
        return call()
    except grpc.RpcError:
        return None


def test_one_process(serve: Any, wait: Any) -> None:
    running = serve("--grpc-port", "0")
    with running.channel() as call:
        response = wait(lambda: answered(call), 60.0)
        assert response.model_name == "tiny"
        assert len(response.outputs) == 2
        port = running.state["grpc"].rpartition(":")[2]
        second = serve("--grpc-port", port)
        assert second.popen.wait(60) == 2
        assert f"cannot listen on 127.0.0.1:{port}".encode() in second.popen.stderr.read()
        running.popen.send_signal(signal.SIGTERM)
        assert running.popen.wait(30) == 0
        assert running.popen.stderr.read().count(b"\n") == 2  # where it listened, and no more
    again = serve("--grpc-port", port)
    with again.channel() as call:
        assert wait(lambda: answered(call), 60.0).model_version == "0"


def test_workers_listen_side_by_side_and_a_stop_loses_nothing(serve: Any, wait: Any) -> None:
    running = serve("--grpc-port", "0", "--workers", "2")
    workers = _children(running.popen.pid)
    assert len(workers) == 2
    wait(lambda: all(_listens(pid, running.state["grpc"]) for pid in workers), 60.0)
    failures: list[grpc.StatusCode] = []
    begun = threading.Barrier(5)

    def caller() -> None:
        with running.channel() as call:
            wait(lambda: answered(call), 60.0)
            begun.wait(60)
            while True:
                try:
                    call()
                except grpc.RpcError as error:
                    failures.append(error.code())
                    return

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    begun.wait(60)
    running.popen.send_signal(signal.SIGTERM)
    assert running.popen.wait(60) == 0
    for thread in callers:
        thread.join(60)
    # A call that was taken is answered; one that comes too late is told so.
    assert failures == [grpc.StatusCode.UNAVAILABLE] * 4


def _children(pid: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _listens(pid: int, address: str) -> bool:
    """Whether a process has a listening socket on the port."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if local.endswith(port) and state == "0A":
                inodes.add(f"socket:[{rest[5]}]")
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue
    return not inodes.isdisjoint(links)


def test_the_page_is_true(serve: Any, wait: Any) -> None:
    """Its snippet for REST; those for tritonclient run where that is installed."""
    running = serve()
    port = running.state["url"].rpartition(":")[2]
    (block,) = re.findall(r"^```python served\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    code = block.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    wait(lambda: _ready(running.state["url"]), 60.0)
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_nothing_of_grpc_without_the_option(serve: Any) -> None:
    running = serve()
    assert running.state["grpc"] == ""
    maps = Path(f"/proc/{running.popen.pid}/maps").read_text()
    assert "grpc" not in maps


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    options = ServeOptions(server="s", home=tmp_path, grpc_port=0)
    with pytest.raises(UsageError, match=r"holdfast\[grpc\]"), hold_grpc(options):
        pytest.fail("it was held")


def test_the_port_is_held_from_others(tmp_path: Path) -> None:
    with hold_grpc(ServeOptions(server="s", home=tmp_path, grpc_port=0)) as address:
        port = int(address.rpartition(":")[2])
        with (
            pytest.raises(UsageError, match="cannot listen"),
            hold_grpc(ServeOptions(server="t", home=tmp_path, grpc_port=port)),
        ):
            pytest.fail("two servers would share the callers")
        with socket.socket() as sharing:  # as a worker does
            sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sharing.bind(("127.0.0.1", port))
