"""A real server under what strangers may send: it answers in order, forgets, and goes on."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from holdfast.serving.process import serving_environment

CANARY = "c4n4ry-0f-the-input"
MAIN = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from holdfast.bundle.predictor import Outputs
from holdfast.recording.spool import FileSpool
from holdfast.records import Arm, BundleManifest, Field, Route, Signature
from holdfast.serving.limits import read_limits
from holdfast.serving.loader import Opened
from holdfast.serving.options import ServeOptions
from holdfast.serving.process import serve

class Clock:
    def now(self): return datetime.now(UTC)
    def timestamp(self): return time.time()

NOW = datetime(2025, 1, 1, tzinfo=UTC)
signature = Signature(
    inputs=(Field(name="x", type="double"), Field(name="n", type="long"),
            Field(name="s", type="string"), Field(name="t", type="datetime")),
    outputs=(Field(name="prediction", type="double"),), id="key", classes=(),
)

class Model:
    kind = "onnx"
    manifest = BundleManifest(
        model="toy", task="regression", signature=signature, predictor="onnx", native="pickle",
        files=(), run="r", dataset="d", created_at=NOW,
    )
    def predict(self, columns, rows):
        time.sleep(given.get("work", 0))
        return Outputs(np.nan_to_num(columns["x"].astype(float)), None)

given = json.loads(sys.argv[1])
home = Path(given["home"])
row = {"x": 1.0, "n": 1, "s": "a", "t": "2024-01-01"}
route = Route(model="toy", epoch=1, arms=(Arm(version=1, bundle="b", path="p", weight=1.0),),
              created_at=NOW)
options = ServeOptions(
    server="s", home=home, port=0, metrics_port=0, workers=given.get("workers", 1),
    routes=[route], ready_file=home / "ready.json", limits=read_limits(given.get("limits", ())),
    tokens=given.get("tokens", ()), grace=given.get("grace", 10.0),
)
sys.exit(serve(
    options, clock=Clock(), load=lambda arm: Opened(Model(), row),
    command=[sys.executable, *sys.argv],
    open_spool=lambda writer: FileSpool(home / "spool", 2**28, writer=writer),
))
"""
ROW = {"x": 1.5, "n": 2, "s": "Oslo", "t": "2024-05-01T10:00:00+00:00"}
GOOD = json.dumps({"instances": [ROW]}).encode()
QUICK = (
    "head_seconds=1", "body_seconds=1", "keep_alive_seconds=2", "write_seconds=1", "body=1MiB",
    "unpacked=4MiB", "connections=300", "rows=1000",
)  # fmt: skip
DEFAULTS: tuple[str, ...] = ()


class Reply(NamedTuple):
    """One answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """A server in a process of its own."""

    def __init__(self, home: Path, **given: Any) -> None:
        script = home / "main.py"
        script.write_text(MAIN)
        self.log = (home / "log").open("wb")
        self.home = home
        self.popen = subprocess.Popen(
            [sys.executable, str(script), json.dumps({"home": str(home), **given})],
            env=serving_environment(), stderr=self.log, stdout=self.log,
        )  # fmt: skip
        ready = home / "ready.json"
        until(lambda: ready.exists() or self.popen.poll() is not None)
        state = json.loads(ready.read_text())
        self.port = int(state["url"].rpartition(":")[2])
        self.metrics_port = int(state["metrics_url"].rpartition(":")[2].partition("/")[0])
        until(lambda: self.ask("GET", "/ping").status == 200)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(
        self, method: str, path: str, body: bytes = b"", port: int = 0, **headers: str
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, sent)
            response = connection.getresponse()
            given = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, given, response.read())
        finally:
            connection.close()

    def score(self) -> int:
        return self.ask("POST", "/invocations", GOOD).status

    def memory(self) -> float:
        """MB that the process has for itself."""
        lines = Path(f"/proc/{self.popen.pid}/smaps_rollup").read_text().splitlines()
        kept = [line for line in lines if line.startswith(("Private_", "Swap:"))]
        return sum(int(line.split()[1]) for line in kept) / 1024

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/metrics", port=self.metrics_port).body.decode()
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return sum(float(line.split()[-1]) for line in lines)

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self.log.close()


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def replies(data: bytes) -> list[Reply]:
    """Answers off the wire; all of ours carry their length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        size = int(headers["content-length"])
        found.append(Reply(int(first.split()[1]), headers, rest[:size]))
        data = rest[size:]
    return found


def talk(server: Server, data: bytes) -> list[Reply]:
    """Sends bytes, and reads until the server ends the connection."""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        return replies(read_all(connection))


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def check_error(reply: Reply, contract: str = "mlflow") -> None:
    """JSON in the contract's shape, which says nothing of what was sent or what answers."""
    assert reply.headers["content-type"] == "application/json"
    expected = {"error_code", "message"} if contract == "mlflow" else {"error"}
    assert json.loads(reply.body).keys() == expected
    assert CANARY.encode() not in reply.body
    assert CANARY not in str(reply.headers)
    assert not {"server", "x-powered-by"} & reply.headers.keys()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Short deadlines, small caps."""
    server = Server(tmp_path_factory.mktemp("quick"), limits=QUICK)
    yield server
    server.end()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    begun: list[Server] = []

    def make(**given: Any) -> Server:
        begun.append(Server(tmp_path, **given))
        return begun[-1]

    yield make
    for server in begun:
        server.end()


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each attack a good request is answered, and the memory is given back."""
    if "quick" not in request.fixturenames:
        yield
        return
    server: Server = request.getfixturevalue("quick")
    before = server.memory()
    yield
    assert server.popen.poll() is None
    assert server.score() == 200
    assert server.memory() - before < 48


SCORING = {
    "mlflow": "/invocations", "v1": "/v1/models/toy:predict", "v2": "/v2/models/toy/infer",
}  # fmt: skip


def deep(count: int) -> bytes:
    return b'{"instances":' + b"[" * count + b"]" * count + b"}"


def tensor(**changes: Any) -> dict[str, Any]:
    given = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0], **changes}
    return {name: value for name, value in given.items() if value is not None}


def instance(**changes: Any) -> bytes:
    return json.dumps({"instances": [{**ROW, **changes}]}).encode()


BODIES: dict[str, bytes] = {
    "deep lists": deep(100_000),
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a huge integer": b'{"instances":[{"x":' + b"9" * 500_000 + b"}]}",
    "an integer beyond 64 bits": instance(n=2**70),
    "a huge exponent": GOOD.replace(b"1.5", b"1e999999999"),
    "a long fraction": GOOD.replace(b"1.5", b"1." + b"1" * 500_000 + b"x"),
    "NaN": GOOD.replace(b"1.5", b"NaN"),
    "Infinity": GOOD.replace(b"1.5", b"-Infinity"),
    "text for a number": instance(x=CANARY),
    "a list for a number": instance(x=[[1]]),
    "an object for text": instance(s={CANARY: 1}),
    "no date": instance(t=CANARY),
    "a date beyond time": instance(t="0001-01-01T00:00:00+14:00"),
    "an unknown column": instance(**{CANARY: 1}),
    "many columns": json.dumps({"instances": [{f"{CANARY}{n}": n for n in range(9000)}]}).encode(),
    "a long column name": json.dumps({"instances": [{CANARY * 20_000: 1}]}).encode(),
    "many rows": json.dumps({"instances": [ROW] * 1001}).encode(),
    "invalid UTF-8": GOOD.replace(b"Oslo", b"\xff\xfe" + CANARY.encode()),
    "a lone surrogate": GOOD.replace(b"Oslo", b"\\ud800" + CANARY.encode()),
    "overlong UTF-8": GOOD.replace(b"Oslo", b"\xc0\xaf"),
    "a null byte": GOOD + b"\x00",
    "a long id": instance(key=CANARY * 100),
    "an id of digits": GOOD.replace(b'{"x"', b'{"key": ' + b"9" * 9000 + b', "x"'),
    "no JSON": CANARY.encode(),
    "an empty body": b"",
    "a bare list": b"[1]",
    "a byte order mark in UTF-16": GOOD.decode().encode("utf-16"),
    "pickle": b"\x80\x04\x95" + CANARY.encode(),
    "two forms": b'{"instances": [], "inputs": []}',
}
TENSORS: dict[str, list[Any]] = {
    "a shape whose product overflows": [tensor(shape=[2**62, 2**62])],
    "a shape of a thousand dimensions": [tensor(shape=[2] * 1000)],
    "a huge shape": [tensor(shape=[2**63])],
    "a huge integer as shape": [tensor(shape=[10**400])],
    "a negative dimension": [tensor(shape=[-1])],
    "two negative dimensions": [tensor(shape=[-1, -1])],
    "a fraction as shape": [tensor(shape=[1.0])],
    "true as shape": [tensor(shape=[True])],
    "no shape": [tensor(shape=None)],
    "less data than shape": [tensor(shape=[5])],
    "more data than shape": [tensor(data=[1.0] * 9)],
    "an unknown datatype": [tensor(datatype=CANARY)],
    "a datatype that is no text": [tensor(datatype=[])],
    "a huge binary size": [tensor(data=None, parameters={"binary_data_size": 2**62})],
    "a negative binary size": [tensor(data=None, parameters={"binary_data_size": -8})],
    "parameters that are no object": [tensor(parameters=[1])],
    "the same name twice": [tensor(), tensor()],
    "no tensor": [],
    "many tensors": [tensor(name=f"{CANARY}{n}") for n in range(5000)],
    "text that is no tensor": [CANARY],
}


@pytest.mark.parametrize("contract", SCORING)
def test_bodies_that_cannot_be_answered(quick: Server, contract: str) -> None:
    for name, body in BODIES.items():
        if (contract, name) == ("mlflow", "NaN"):
            continue  # null there, because MLflow's own client writes missing values so
        reply = quick.ask("POST", SCORING[contract], body, content_type="application/json")
        assert 400 <= reply.status < 500, name
        check_error(reply, contract)


def test_tensors_that_cannot_be_answered(quick: Server) -> None:
    for name, tensors in TENSORS.items():
        body = json.dumps({"inputs": tensors}).encode()
        for length in ({}, {"inference_header_content_length": str(len(body))}):
            reply = quick.ask("POST", SCORING["v2"], body, **length)
            assert 400 <= reply.status < 500, name
            check_error(reply, "v2")
    for length in ("-1", "1e3", "9" * 500, "٣", str(2**64), "0x10"):
        head = f"Inference-Header-Content-Length: {length}"
        data = "\r\n".join(
            [f"POST {SCORING['v2']} HTTP/1.1", "Content-Length: 2", "Connection: close", head]
        )
        data += "\r\n\r\n{}"
        (reply,) = talk(quick, data.encode())
        assert reply.status == 400
        check_error(reply, "v2")


def test_a_key_twice_means_the_last(quick: Server) -> None:
    body = GOOD.replace(b'"x": 1.5', b'"x": 9.0, "x": 1.5')
    reply = quick.ask("POST", "/invocations", body)
    assert json.loads(reply.body) == {"predictions": [1.5]}


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bombs(quick: Server, encoding: str) -> None:
    plain = bytes(200 * 2**20)
    packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    del plain
    assert len(packed) < 2**20
    for contract, path in SCORING.items():
        reply = quick.ask("POST", path, packed, content_encoding=encoding)
        assert reply.status == 413
        check_error(reply, contract)
    nested = gzip.compress(gzip.compress(GOOD))
    assert quick.ask("POST", "/invocations", nested, content_encoding="gzip").status == 400
    twice = quick.ask("POST", "/invocations", nested, content_encoding="gzip, gzip")
    assert twice.status == 415
    check_error(twice)


def test_bodies_above_the_cap_are_refused_while_they_arrive(quick: Server) -> None:
    told = quick.ask("POST", "/invocations", b" " * (2**20 + 1))
    assert told.status == 413
    check_error(told)
    chunk = b"%x\r\n%b\r\n" % (2**16, b" " * 2**16)
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    (reply, *_) = talk(quick, head + chunk * 40)
    assert reply.status == 413
    check_error(reply)
    (reply,) = talk(quick, b"POST /invocations HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
    assert reply.status == 413


def test_heads_that_are_too_large(quick: Server) -> None:
    junk = f"X-{CANARY}: {CANARY}\r\n".encode()
    for path, contract in (("/invocations", "mlflow"), ("/v2", "v2"), ("/docs", "other")):
        line = f"POST {path} HTTP/1.1\r\n".encode()
        for head in (
            line + junk * 200 + b"\r\n",
            line + b"X-Long: " + CANARY.encode() * 5000 + b"\r\n\r\n",
            line + junk * 200_000,
            line + b"X-Endless: " + CANARY.encode() * 200_000,
        ):
            (reply,) = talk(quick, head)
            assert reply.status == 431
            check_error(reply, contract)
    (reply,) = talk(quick, b"GET /" + CANARY.encode() * 100_000 + b" HTTP/1.1\r\n\r\n")
    assert reply.status in (400, 431)
    check_error(reply, "other")


def test_slow_heads_are_ended_whoever_sends_them(quick: Server) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(quick.connect()) for _ in range(100)]
        for connection in slow:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nX-A: ")
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # a byte now and then does not help
            for connection in slow:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"a")
            assert quick.score() == 200
        for connection in slow:
            (reply,) = replies(read_all(connection)) or [None]
            if reply is not None:  # its end may have come before its answer was read
                assert reply.status == 408
                check_error(reply)
    assert quick.metric('holdfast_refused_total{reason="slow_head"}') >= 100


def test_connections_that_say_nothing_are_ended(quick: Server) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(quick.connect()) for _ in range(50)]
        assert {read_all(connection) for connection in silent} == {b""}


def test_slow_bodies_keep_no_place_from_others(quick: Server) -> None:
    """More of them than may be in flight."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(quick.connect()) for _ in range(290)]
        for connection in slow:
            connection.sendall(post("/v2/models/toy/infer", b"{}")[:-1])
        assert quick.score() == 200
        for connection in slow:
            (reply,) = replies(read_all(connection))
            assert reply.status == 408
            check_error(reply, "v2")


def test_idle_connections_make_room_for_those_with_work(quick: Server) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(quick.connect()) for _ in range(350)]
        assert quick.score() == 200
        for connection in idle:
            assert read_all(connection) == b""
    assert quick.metric('holdfast_refused_total{reason="crowded"}') > 0


def test_callers_who_do_not_read_are_cut_off(begin: Callable[..., Server]) -> None:
    server = begin(limits=["write_seconds=1", "pipelined=5000"])
    size = len(server.ask("GET", "/openapi.json").body)
    with server.connect() as connection:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\n\r\n" * (2**24 // size))
        assert server.score() == 200
        until(lambda: server.metric('holdfast_refused_total{reason="slow_reader"}') == 1)
        until(lambda: _peek(connection) == b"")
    assert server.score() == 200


def _peek(connection: socket.socket) -> bytes | None:
    """Reads on; empty when the connection is over."""
    try:
        return connection.recv(2**20)
    except ConnectionError:
        return b""


ODD: dict[str, bytes] = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a list of lengths": b"Content-Length: 2, 2\r\n\r\n{}",
    "length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "chunked is not last": b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with a plus": b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": b"Content-Length: 0x2\r\n\r\n{}",
    "a length without end": b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "a chunk without end": b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n{}",
    "a space before the colon": b"Content-Length : 2\r\n\r\n{}",
    "a null in a header": b"X-A: a\x00b\r\n\r\n",
    "a folded header": b"X-A: a\r\n\tContent-Length: 2\r\n\r\n{}",
    "no colon": CANARY.encode() + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_what_could_be_read_in_two_ways_is_refused(quick: Server, name: str) -> None:
    """Behind it stands a request that must never be answered as one of its own."""
    hidden = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    first, *more = talk(quick, b"POST /invocations HTTP/1.1\r\n" + ODD[name] + hidden)
    assert first.status == 400
    check_error(first)
    assert not more


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 3 + CANARY.encode() + b" / HTTP/1.1\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n",
        b"GET /\x80\xff HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 64,
    ],
)
def test_what_is_no_http(quick: Server, data: bytes) -> None:
    answered = talk(quick, data)
    assert {reply.status for reply in answered} <= {400, 431}
    for reply in answered:
        check_error(reply, "other")


def test_upgrades_are_not_made(quick: Server) -> None:
    for upgrade in ("websocket", "h2c"):
        head = f"GET /version HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        reply, *_ = talk(quick, head.encode() + b"\x81\x85" + bytes(40))
        assert reply.status == 200


def test_a_body_beside_an_upgrade_is_still_read(quick: Server) -> None:
    """Java's client asks for HTTP/2 with its first request."""
    (reply,) = talk(quick, post("/invocations", GOOD, "Connection: Upgrade", "Upgrade: h2c"))
    assert reply.status == 200


def test_pipelined_requests_are_answered_in_order(quick: Server) -> None:
    ten = b"".join(post("/invocations", instance(x=n)) for n in range(10))
    with quick.connect() as connection:
        connection.sendall(ten)
        connection.shutdown(socket.SHUT_WR)
        answered = [json.loads(reply.body) for reply in replies(read_all(connection))]
    assert answered == [{"predictions": [float(n)]} for n in range(10)]


def test_too_many_pipelined_requests(quick: Server) -> None:
    answered = talk(quick, b"GET /version HTTP/1.1\r\n\r\n" * 5000)
    assert {reply.status for reply in answered} == {200}
    assert len(answered) < 5000


def test_what_came_before_nonsense_is_answered(quick: Server) -> None:
    answered = talk(quick, post("/invocations", GOOD) + b"\x00nonsense\r\n\r\n")
    assert [reply.status for reply in answered] == [200, 400]


def test_a_caller_who_has_said_all_gets_his_answer(quick: Server) -> None:
    with quick.connect() as connection:
        connection.sendall(post("/invocations", GOOD))
        connection.shutdown(socket.SHUT_WR)
        (reply,) = replies(read_all(connection))
    assert reply.status == 200


def test_callers_who_leave(quick: Server) -> None:
    many = json.dumps({"instances": [ROW] * 1000}).encode()
    for cut in (1, 30, 200, len(many)):
        for reset in (False, True):
            with quick.connect() as connection:
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(post("/invocations", many)[:cut])


def test_no_error_repeats_the_input(quick: Server) -> None:
    for path in (f"/{CANARY}", f"/v1/models/{CANARY}", f"/v2/models/{CANARY}/versions/{CANARY}",
                 f"/v1/models/{CANARY}:predict", f"/v2/models/{CANARY}/infer", f"/v2/{CANARY}",
                 f"/invocations?model={CANARY}", f"/docs/{CANARY}", f"/models/{CANARY}",
                 f"/v2/models/toy/versions/{CANARY}/infer", f"/%2e%2e/{CANARY}"):  # fmt: skip
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            reply = quick.ask(
                method, path, CANARY.encode(), content_type=f"application/json; a={CANARY}",
                x_request_id=f"{CANARY}<>", x_holdfast_model=CANARY, authorization=CANARY,
                cookie=CANARY, content_encoding="identity",
            )  # fmt: skip
            assert 400 <= reply.status < 500
            assert CANARY.encode() not in reply.body
            assert CANARY not in str(reply.headers)
            assert reply.headers["content-type"].startswith("application/json")
    for name in ("content_type", "content_encoding", "accept"):
        reply = quick.ask("POST", "/invocations", b"{", **{name: CANARY})
        check_error(reply)


def test_nobody_says_what_answers(quick: Server) -> None:
    for port in (quick.port, quick.metrics_port):
        for path in ("/", "/nothing", "/metrics", "/version", "/docs"):
            assert "server" not in quick.ask("GET", path, port=port).headers


def test_what_proxies_say_is_not_believed(quick: Server) -> None:
    reply = quick.ask(
        "GET", "/openapi.json", x_forwarded_host=CANARY, x_forwarded_proto="https",
        x_forwarded_for=CANARY, x_forwarded_prefix=f"/{CANARY}", forwarded=f"host={CANARY}",
    )  # fmt: skip
    assert reply.status == 200
    assert CANARY.encode() not in reply.body


def test_the_metrics_have_the_same_bounds(quick: Server) -> None:
    port = quick.metrics_port
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            address = ("127.0.0.1", port)
            connection = stack.enter_context(socket.create_connection(address, timeout=30))
            connection.sendall(b"GET /metr")
        assert quick.ask("GET", "/metrics", port=port).status == 200
    assert threads(quick.popen.pid) < 20
    assert quick.ask("POST", "/metrics", b"x", port=port).status == 405
    check_error(quick.ask("GET", f"/{CANARY}", port=port), "other")


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


OPEN = {"/", "/ping", "/health", "/v2/health/live", "/v2/health/ready"}


def test_without_a_token_nothing_but_health_is_said(begin: Callable[..., Server]) -> None:
    """Every path of the description, and others."""
    import hashlib

    server = begin(tokens=[hashlib.sha256(b"right").hexdigest()])
    right = {"authorization": "Bearer right"}
    described = json.loads(server.ask("GET", "/openapi.json", **right).body)["paths"]
    paths = {path.replace("{", "").replace("}", "") for path in described}
    paths |= {"/docs", "/openapi.json", "/nothing", "/v2", "/v2/", "/v1/models", "/metrics",
              "/redoc", "/PING", "//ping", "/ping/", "/health/../v2", "/%70ing/x"}  # fmt: skip
    for path in paths - OPEN:
        for method in ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
            for wrong in ("", "Bearer wrong", "Basic right", "Bearer", "right", "Bearer rightx"):
                reply = server.ask(method, path, GOOD, authorization=wrong)
                assert reply.status == 401, (method, path)
        assert server.ask("GET", path, **right).status != 401
    for path in OPEN:
        assert server.ask("GET", path).status == 200
    assert server.ask("POST", "/invocations", GOOD, **right).status == 200


def test_requests_that_wait_too_long_are_shed(begin: Callable[..., Server]) -> None:
    server = begin(work=0.05, limits=["deadline_seconds=0.2"])
    seen: list[Reply] = []

    def call() -> None:
        for _ in range(4):
            reply = server.ask("POST", "/invocations", GOOD)
            seen.append(reply)

    callers = [threading.Thread(target=call) for _ in range(30)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    statuses = {reply.status for reply in seen}
    assert statuses == {200, 503}
    for reply in seen:
        if reply.status == 503:
            assert reply.headers["retry-after"] == "1"
            check_error(reply)
    patient = server.ask("POST", "/invocations", GOOD, x_holdfast_timeout_ms="60000")
    assert patient.status == 200
    late = server.ask("POST", "/invocations", GOOD, x_holdfast_timeout_ms="0")
    assert late.status == 503
    assert server.metric('holdfast_refused_total{reason="late"}') > 0


@pytest.mark.heavy
def test_ten_thousand_connections(begin: Callable[..., Server]) -> None:
    """Idle ones and slow ones; a third of a second each would be a hundred minutes in turn."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = begin(limits=DEFAULTS)
    before = server.memory()
    with contextlib.ExitStack() as stack:
        many = []
        for number in range(10_000):
            connection = stack.enter_context(
                socket.create_connection(
                    ("127.0.0.1", server.port),
                    timeout=30,
                    source_address=(f"127.0.1.{number % 200 + 1}", 0),
                )
            )
            if number % 2:
                connection.sendall(b"POST /invocations HTTP/1.1\r\nX-A: a")
            many.append(connection)
        for _ in range(50):
            assert server.score() == 200
        assert (server.memory() - before) * 2**20 / 10_000 < 32 * 2**10
        until(lambda: sum(not _over(connection) for connection in many) == 0)
    assert server.score() == 200
    assert server.memory() - before < 200
    server.popen.send_signal(signal.SIGTERM)
    assert server.popen.wait(60) == 0


def _over(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.heavy
def test_without_descriptors_the_server_goes_on(begin: Callable[..., Server]) -> None:
    """As many as there may be: nobody spins on accept, and callers with work are answered."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    server = begin(limits=DEFAULTS)
    resource.prlimit(server.popen.pid, resource.RLIMIT_NOFILE, (600, 600))
    with contextlib.ExitStack() as stack:
        for _ in range(1500):
            with contextlib.suppress(ConnectionError):
                stack.enter_context(server.connect())
        spent = _cpu(server.popen.pid)
        time.sleep(1)
        assert _cpu(server.popen.pid) - spent < 0.5
    until(lambda: _scores(server))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _scores(server: Server) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return server.score() == 200
    return False


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Callers:
    """They call over connections they keep, until told to stop."""

    def __init__(self, server: Server, count: int) -> None:
        self.failed: list[Any] = []
        self.answered = [0] * count
        self._port = server.port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(count)]

    def _call(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/invocations", GOOD)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(error)
                connection.close()
                continue
            self.answered[number] += 1
            if response.status != 200:
                self.failed.append(body)
        connection.close()

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.heavy
def test_workers_are_replaced_without_one_failed_request(begin: Callable[..., Server]) -> None:
    server = begin(workers=2, grace=20.0)
    # At its first start a worker answers before it has a model; those that replace it do not.
    roll(server)
    with Callers(server, 8) as callers:
        for _ in range(2):
            roll(server)
            reached = sum(callers.answered)
            until(lambda reached=reached: sum(callers.answered) > reached + 100)
    assert not callers.failed
    server.popen.send_signal(signal.SIGTERM)
    assert server.popen.wait(60) == 0


def roll(server: Server) -> None:
    """Has all workers replaced."""
    before = set(_children(server.popen.pid))
    server.popen.send_signal(signal.SIGHUP)
    until(lambda: not before & set(_children(server.popen.pid)))
    until(lambda: len(_children(server.popen.pid)) == 2)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]
