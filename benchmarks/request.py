"""What the time of one scoring request is spent on, without the network: each part, many times.

Processor time of one process; the smallest of many short stretches, because other processes only
ever add to it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from fixture import Project, example
from options import Options
from report import Report, Row, Table
from scoring import one_input
from uvicorn.server import ServerState

CALLS = 200
STRETCHES = 60
TOGETHER = 16


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def timestamp(self) -> float:
        return time.time()


def measure(options: Options, work: Path) -> Report:
    """One row of twenty numbers, gradient boosting, as ``dataframe_split``."""
    project = Project(work / "trees", "train_trees")
    project.train()
    (work / "model.onnx").write_bytes(one_input(project.estimator()))
    os.environ["BENCH_ONNX"] = str(work / "model.onnx")
    sys.path.append(str(Path(__file__).parent / "services"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        parts = runner.run(_measure(project.bundle, options))
    rows = [Row(name, list(values)) for name, values in parts.items()]
    table = Table(title="one row, gradient boosting", unit="µs of processor", rows=rows)
    note = (
        'The parts are measured warm, one by one; the rest is the calls between them. "Together" '
        "is one of the requests that one turn of the event loop has read. In a server "
        "that shares its cores the same work takes about twice as long, because caches are cold."
    )
    return Report(
        name="request", about="One request inside the server, without a network.", tables=[table],
        notes=[note],
    )  # fmt: skip


async def _measure(bundle: Path, options: Options) -> dict[str, list[float]]:
    from holdfast.bundle.columns import concatenate
    from holdfast.bundle.manifest import bundle_digest
    from holdfast.ports.ids import new_ids
    from holdfast.recording import segments
    from holdfast.recording.spool import FileSpool
    from holdfast.records import Arm, Route
    from holdfast.serving.app import create_app
    from holdfast.serving.connections import Connections
    from holdfast.serving.http import http_config
    from holdfast.serving.invocations import read_json
    from holdfast.serving.limits import Limits
    from holdfast.serving.loader import bundle_loader
    from holdfast.serving.mirror import Work
    from holdfast.serving.payload import predictions, read_object
    from holdfast.serving.scoring import record
    from holdfast.serving.server import Answer, ModelServer

    row = example()
    body = json.dumps(
        {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}
    ).encode()
    with tempfile.TemporaryDirectory() as folder, FileSpool(Path(folder), 2**32) as spool:
        server = ModelServer("bench", clock=_Clock(), spool=spool, load=bundle_loader())
        arm = Arm(version=1, bundle=bundle_digest(bundle), path=str(bundle), weight=1.0)
        await server.apply(Route(model="bench", epoch=1, arms=(arm,), created_at=datetime.now(UTC)))
        live = server.pick(None)
        rows = read_json(body, live.converter)
        outputs = live.champion.predict(rows.columns, 1)
        answer = Answer(live.champion, "bench", outputs, rows, "p-" + "0" * 24)
        work = Work(live.champion, rows, "bench", "p-" + "0" * 24, 1)
        batch = record(work, "live", time.time(), outputs, 0.001)
        metrics, ids = server.metrics, new_ids("p")
        many, records = concatenate([rows.columns] * TOGETHER), [batch] * TOGETHER
        shared: dict[str, Callable[[], Any]] = {
            "model": lambda: live.champion.predict(many, TOGETHER),
            "record to the spool": lambda: spool.extend(records),
        }
        parts: dict[str, Callable[[], Any]] = {
            "decoding JSON": lambda: read_object(body),
            "JSON, checks and arrays": lambda: read_json(body, live.converter),
            "model": lambda: live.champion.predict(rows.columns, 1),
            "encoding the record": lambda: segments.frame(segments.encode(batch), b"12345678"),
            "record to the spool": lambda: spool.append(batch),
            "prediction id": lambda: next(ids),
            "metrics": lambda: metrics.request("bench", 1, "mlflow", 200, 0.001),
            "answer as JSON": lambda: predictions(answer),
        }
        found = {name: _best(part, options) for name, part in parts.items()}
        for name, part in shared.items():
            found[f"{name}, {TOGETHER} together"] = [one / TOGETHER for one in _best(part, options)]
        app = create_app(server)
        config = http_config(app, Connections(Limits(), most=TOGETHER), grace=1)
        bare = uvicorn.Config(
            "asgi_onnx:app", http="httptools", lifespan="off", log_config=None, access_log=False
        )
        plain = _post("/predict", json.dumps(row).encode())
        whole = {}
        for connections in (1, TOGETHER):
            what = f"{connections} connection{'s'[: connections > 1]}, HTTP too"
            whole[f"whole request, {what}"] = await _http(
                config, _post("/invocations", body), options, connections
            )
            whole[f"bare ASGI app, {what}"] = await _http(bare, plain, options, connections)
        whole["whole request, by way of ASGI, without HTTP"] = await _whole(app, body, options)
        await server.close()
    return {**whole, **found}


def _post(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Wire(asyncio.Transport):
    """A connection without a network: what is sent to it is only looked at."""

    def __init__(self, plain: socket.socket) -> None:
        super().__init__()
        self._plain = plain
        self.answered: Callable[[], None] = lambda: None

    def write(self, data: Any) -> None:
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"answered {data[:40]!r}")
        if data.endswith(b"}"):
            self.answered()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Idle connections are closed by timers; this one is needed."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._plain if name == "socket" else default


async def _http(
    config: uvicorn.Config, request: bytes, options: Options, connections: int = 1
) -> list[float]:
    """As the event loop would call the protocols of so many connections, all in one turn; when all
    are answered the next requests come.
    """
    if not config.loaded:
        config.load()
    loop = asyncio.get_running_loop()
    values = []
    with socket.socket(socket.AF_UNIX) as plain:
        wires = [_Wire(plain) for _ in range(connections)]
        protocols: list[Any] = []
        for wire in wires:
            protocol: Any = config.http_protocol_class(
                config=config, server_state=ServerState(), app_state={}
            )
            protocol.connection_made(wire)
            protocols.append(protocol)
        turns = max(1, CALLS // connections)
        for _ in range(options.count(STRETCHES)):
            done, left = loop.create_future(), turns * connections

            def turn() -> None:
                for protocol in protocols:
                    protocol.data_received(request)

            def answered(done: asyncio.Future[None] = done) -> None:
                nonlocal left
                left -= 1
                if not left:
                    done.set_result(None)
                elif not left % connections:
                    loop.call_soon(turn)

            for wire in wires:
                wire.answered = answered
            began = time.process_time()
            loop.call_soon(turn)
            await done
            values.append(1e6 * (time.process_time() - began) / (turns * connections))
    return [min(values)]


def _best(part: Callable[[], Any], options: Options) -> list[float]:
    values = []
    for _ in range(options.count(STRETCHES)):
        began = time.process_time()
        for _ in range(CALLS):
            part()
        values.append(1e6 * (time.process_time() - began) / CALLS)
    return [min(values)]


async def _whole(app: Any, body: bytes, options: Options) -> list[float]:
    headers = [
        (b"host", b"127.0.0.1"), (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]  # fmt: skip
    scope = {
        "type": "http", "method": "POST", "path": "/invocations", "query_string": b"",
        "headers": headers,
    }  # fmt: skip
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if "status" in message:
            statuses.add(message["status"])

    values = []
    for _ in range(options.count(STRETCHES)):
        began = time.process_time()
        for _ in range(CALLS):
            await app(scope, receive, send)
        values.append(1e6 * (time.process_time() - began) / CALLS)
    if statuses != {200}:
        raise RuntimeError(f"answered {statuses}")
    return [min(values)]
