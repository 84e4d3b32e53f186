"""A small model, a spool in memory, and a way to call the application without a socket."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
import pytest

from holdfast.bundle.columns import Columns
from holdfast.bundle.predictor import Outputs
from holdfast.errors import BundleError
from holdfast.records import (
    Arm,
    BundleManifest,
    Field,
    PredictionBatch,
    Route,
    ServerReport,
    Signature,
)
from holdfast.serving.app import Application, create_app
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Opened
from holdfast.serving.server import ModelServer

NOW = datetime(2025, 1, 2, tzinfo=UTC)
CLASSES: dict[str, tuple[Any, ...]] = {
    "binary": (False, True), "multiclass": ("high", "low", "mid"), "regression": (),
}  # fmt: skip
INPUTS = (
    Field(name="amount", type="double"),
    Field(name="age", type="double", nullable=False),
    Field(name="count", type="long"),
    Field(name="member", type="boolean"),
    Field(name="city", type="string"),
    Field(name="since", type="datetime"),
)
ROW = {
    "amount": 1.5, "age": 40.0, "count": 3, "member": True, "city": "Oslo",
    "since": "2024-05-01T10:00:00+00:00",
}  # fmt: skip


def signature_of(task: str, inputs: tuple[Field, ...] = INPUTS) -> Signature:
    outputs = [Field(name="prediction", type="double")]
    return Signature(inputs=inputs, outputs=tuple(outputs), id="key", classes=CLASSES[task])


class Toy:
    """A model that answers from its numbers; ``shift`` tells versions apart."""

    kind = "onnx"

    def __init__(
        self,
        task: str = "binary",
        *,
        model: str = "toy",
        shift: float = 0.0,
        inputs: tuple[Field, ...] = INPUTS,
    ) -> None:
        self.manifest = BundleManifest(
            model=model, task=task, signature=signature_of(task, inputs), predictor="onnx",
            native="pickle", files=(), run="r", dataset="d", created_at=NOW,
        )  # fmt: skip
        self.shift = shift
        self.fails = False
        self.gate: threading.Event | None = None
        self.seen: list[int] = []
        self.threads: set[str] = set()

    def predict(self, columns: Columns, rows: int) -> Outputs:
        self.threads.add(threading.current_thread().name)
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.fails:
            raise BundleError("bundle.failed", "secret detail of the model")
        self.seen.append(rows)
        raw = np.zeros(rows) + self.shift
        for field in self.manifest.signature.inputs:
            if field.type in ("double", "long"):
                raw = raw + np.nan_to_num(columns[field.name].astype(float))
            if field.type == "vector":
                raw = raw + np.nan_to_num(columns[field.name]).sum(axis=1)
        if self.manifest.task == "regression":
            return Outputs(raw, None)
        share = 1.0 / (1.0 + np.exp(-raw / 100.0))
        if self.manifest.task == "binary":
            return Outputs(share >= 0.5, share)
        matrix = np.stack([share / 2, share / 2, 1 - share], axis=1)
        labels = np.array(CLASSES["multiclass"], dtype=object)
        return Outputs(labels[matrix.argmax(axis=1)], matrix)


class Shelf:
    """Bundles by digest; counts how often each is opened."""

    def __init__(self) -> None:
        self.toys: dict[str, Any] = {}
        self.opened: list[str] = []
        self.gates: dict[str, threading.Event] = {}

    def put(self, digest: str, toy: Any) -> Any:
        self.toys[digest] = toy
        return toy

    def load(self, arm: Arm) -> Opened:
        self.opened.append(arm.bundle)
        if arm.bundle in self.gates:
            assert self.gates[arm.bundle].wait(10)
        toy = self.toys[arm.bundle]
        if isinstance(toy, Exception):
            raise toy
        return Opened(toy, dict(ROW), memory=getattr(toy, "memory", 0))


class Kept:
    """A spool in memory."""

    def __init__(self) -> None:
        self.batches: list[PredictionBatch] = []
        self.healthy = True
        self.lost = 0

    def append(self, batch: PredictionBatch) -> bool:
        return self.extend([batch])

    def extend(self, batches: Sequence[PredictionBatch]) -> bool:
        # what cannot be encoded cannot be recorded
        data = msgspec.msgpack.encode(batches)
        if not self.healthy:
            self.lost += len(batches)
            return False
        self.batches += msgspec.msgpack.decode(data, type=list[PredictionBatch])
        return True

    def synced(self) -> None:
        return None

    def watch(self, tell: Callable[[int, bool], None]) -> None:
        tell(0, self.healthy)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Clock:
    def now(self) -> datetime:
        return NOW

    def timestamp(self) -> float:
        return NOW.timestamp()


def arm(version: int, weight: float = 0.0) -> Arm:
    return Arm(version=version, bundle=f"sha256:{version}", path=f"/b/{version}", weight=weight)


def route(epoch: int, *arms: Arm, model: str = "toy", **more: Any) -> Route:
    return Route(model=model, epoch=epoch, arms=arms, created_at=NOW, **more)


class Stand:
    """A server with its shelf, spool and application."""

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        self.shelf = Shelf()
        self.spool = Kept()
        self.server = ModelServer(
            "s", clock=Clock(), spool=self.spool, load=self.shelf.load, limits=limits, **options
        )
        self.app: Application = create_app(self.server)

    async def live(self, task: str = "binary", **more: Any) -> Toy:
        """Serves version 1 of one toy."""
        toy: Toy = self.shelf.put("sha256:1", Toy(task, **more))
        await self.server.apply(route(1, arm(1, 1.0), model=toy.manifest.model))
        return toy

    async def many(self, *names: str, memory: int = 10) -> None:
        """Knows models of one version each, all asleep."""
        for number, name in enumerate(names):
            toy = self.shelf.put(f"sha256:{name}", Toy(model=name, shift=float(number)))
            toy.memory = memory
            one = Arm(version=1, bundle=f"sha256:{name}", path="/", weight=1.0)
            self.server.routes.rest(route(1, one, model=name))

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answered:
        return await call(self.app, method, path, body, headers)


class Answered(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


async def call(
    app: Any, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answered:
    """One request through ASGI; a body that is not bytes is sent as JSON."""
    data = b"" if body is None else body
    sent = {} if body is None else {"content-type": "application/json"}
    if not isinstance(data, (bytes, list)):
        data = msgspec.json.encode(data)
    sent.update(headers or {})
    parts = data if isinstance(data, list) else [data]
    waiting = list(enumerate(parts))
    messages: list[Any] = []
    path, _, query = path.partition("?")

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        index, part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": index + 1 < len(parts)}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "http_version": "1.1", "scheme": "http", "root_path": "",
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in sent.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    await app(scope, receive, send)
    start, *rest = messages
    return Answered(
        start["status"],
        {key.decode().lower(): value.decode("latin-1") for key, value in start["headers"]},
        b"".join(message.get("body", b"") for message in rest),
    )


class Control:
    """The two calls of the control plane that a server makes."""

    def __init__(self, port: int = 0) -> None:
        self.routes: dict[str, Route] = {}
        self.reports: queue.Queue[ServerReport] = queue.Queue()
        self.changed = threading.Condition()
        self.tokens: set[str | None] = set()
        self.closing = False
        control = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                control.tokens.add(self.headers["Authorization"])
                query = parse_qs(urlsplit(self.path).query)
                assert query["server"][0].startswith("s")
                since = json.loads(query["since"][0])
                self.answer(msgspec.json.encode(control.wait(since, float(query["wait"][0]))))

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                control.reports.put(ServerReport.from_json(data))
                self.answer(b"{}")

            def answer(self, body: bytes) -> None:
                self.close_connection = control.closing
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return None

            def finish(self) -> None:
                try:
                    super().finish()
                except OSError:
                    return

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                return None

        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def wait(self, since: dict[str, int], seconds: float) -> list[Route]:
        def newer() -> list[Route]:
            return [r for r in self.routes.values() if r.epoch > since.get(r.model, -1)]

        with self.changed:
            self.changed.wait_for(lambda: newer() or self.closing, min(seconds, 5))
            return newer()

    def order(self, route: Route) -> None:
        with self.changed:
            self.routes[route.model] = route
            self.changed.notify_all()

    def report(self, wanted: Callable[[ServerReport], bool]) -> ServerReport:
        while True:
            report = self.reports.get(timeout=60)
            if wanted(report):
                return report

    def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


async def until(true: Callable[[], Any]) -> None:
    """Lets others run until something has come to be."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture(scope="session")
def toys() -> Any:
    """The helpers above, for tests: a conftest cannot be imported."""
    return SimpleNamespace(
        Control=Control, Toy=Toy, Stand=Stand, Kept=Kept, Clock=Clock, Shelf=Shelf, arm=arm,
        route=route, call=call, run=run, until=until, ROW=ROW, INPUTS=INPUTS, CLASSES=CLASSES,
        NOW=NOW, signature_of=signature_of,
    )  # fmt: skip
