"""What is fuzzed: each decoder of bytes that strangers send, with what must hold of its answer.

A target takes any bytes. It returns when they were refused in order (``RequestError``) or were
understood and what came of them is sound; anything else it lets fall is a finding.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from uvicorn.server import ServerState

from holdfast.bundle.redaction import Redaction
from holdfast.errors import DataError, RequestError
from holdfast.recording import segments
from holdfast.records import Field, RecordPolicy, Signature
from holdfast.records.prediction import PredictionBatch
from holdfast.serving import clouds, invocations, payload, v1, v2
from holdfast.serving.connections import Connections
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.csv_rows import read_csv
from holdfast.serving.direct import DirectProtocol
from holdfast.serving.http import http_config
from holdfast.serving.json_lines import read_lines
from holdfast.serving.limits import Limits
from holdfast.serving.requests import Request, Response, unpack
from holdfast.serving.rpc.messages import read_request
from holdfast.serving.rpc.protocol import DecodeError, message

LIMIT = 50
UNPACKED = 4096
SIGNATURE = Signature(
    inputs=(
        Field(name="a", type="double"),
        Field(name="b", type="double", nullable=False),
        Field(name="n", type="long"),
        Field(name="w", type="long", nullable=False),
        Field(name="f", type="boolean"),
        Field(name="s", type="string"),
        Field(name="t", type="datetime"),
    ),
    outputs=(Field(name="prediction", type="double"),),
    id="key",
    classes=(False, True),
)
VECTOR = Field(name="v", type="vector", width=2)
CONVERTERS = (
    Converter(SIGNATURE, limit=LIMIT),
    Converter(replace(SIGNATURE, inputs=(*SIGNATURE.inputs, VECTOR)), limit=LIMIT),
)


def _sound(rows: Rows, converter: Converter) -> None:
    """As many values as rows in every column, and a record that comes back as it was written."""
    assert 1 <= rows.count <= LIMIT
    assert rows.columns.keys() == set(converter.names)
    assert {len(column) for column in rows.columns.values()} == {rows.count}
    assert {len(column) for column in rows.values.values()} <= {rows.count}
    assert rows.ids is None or len(rows.ids) == rows.count
    kept = Redaction(RecordPolicy(), None).keep(
        "p", converter.recorded, rows.columns, rows.values, rows.ids
    )
    batch = PredictionBatch(
        request="p", model="m", version=1, epoch=1, at=0.0, role="live", names=kept.names,
        columns=kept.columns, ids=kept.ids, predictions=[], scores=[], seconds=0.0,
        count=rows.count, block=kept.block,
    )  # fmt: skip
    assert batch.cells().keys() == set(converter.names)
    identity = b"12345678"
    record = segments.header(identity) + segments.frame(segments.encode(batch), identity)
    assert _read_segment(record).batches == [batch]


def _read_segment(data: bytes) -> segments.Scan:
    with tempfile.NamedTemporaryFile(dir=_fast(), suffix=segments.SUFFIX) as file:
        file.write(data)
        file.flush()
        return segments.read(Path(file.name))


def _fast() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _refusable(read: Callable[[Converter], Rows]) -> None:
    """Read by a model of scalars, and by one that takes a vector as well."""
    for converter in CONVERTERS:
        try:
            rows = read(converter)
        except RequestError as error:
            refused, rows = error, None
        if rows is None:
            assert 400 <= refused.status < 500
            assert len(str(refused)) < 1000
        else:
            _sound(rows, converter)


def mlflow_json(data: bytes) -> None:
    """MLflow's JSON forms; what a signature's own decoder takes is what all take."""
    _refusable(lambda converter: invocations.read_json(data, converter))
    for converter in CONVERTERS:
        with contextlib.suppress(RequestError):
            rows = converter.split(data)
            if rows is not None:
                given = payload.read_object(data)["dataframe_split"]
                plain = invocations.read_split(given, converter)
                for name, cells in rows.values.items():
                    assert repr(plain.values[name]) == repr(cells)
                for name in converter.names:
                    np.testing.assert_array_equal(plain.columns[name], rows.columns[name])


def v1_json(data: bytes) -> None:
    """KServe V1's rows."""
    _refusable(lambda converter: v1.read_rows(data, converter))


def v2_json(data: bytes) -> None:
    """The Open Inference Protocol's JSON."""
    _refusable(lambda converter: v2.read_request(data, None, converter).rows)


def v2_binary(data: bytes) -> None:
    """JSON and tensors behind it; here, a line feed parts them."""
    head, _, tensors = data.partition(b"\n")
    length = b"%d" % len(head)
    _refusable(lambda converter: v2.read_request(head + tensors, length, converter).rows)


def csv(data: bytes) -> None:
    """Rows as CSV."""
    _refusable(lambda converter: read_csv(data, converter))


def json_lines(data: bytes) -> None:
    """Rows as JSON lines."""
    _refusable(lambda converter: read_lines(data, converter))


def vertex(data: bytes) -> None:
    """Vertex AI's body."""
    _refusable(lambda converter: clouds.read_vertex(data, converter))


def azure(data: bytes) -> None:
    """Azure ML's bodies."""
    _refusable(lambda converter: clouds.read_azure(data, converter))


def grpc(data: bytes) -> None:
    """The message of a gRPC inference; protobuf has taken its bytes apart before we see it."""
    try:
        given = message("ModelInferRequest").FromString(data)
    except DecodeError:
        return
    _refusable(lambda converter: read_request(given, converter).rows)


def packed(data: bytes) -> None:
    """Content-Encoding."""
    for encoding in (b"gzip", b"deflate"):
        try:
            plain = unpack(data, encoding, UNPACKED)
        except RequestError:
            continue
        assert len(plain) <= UNPACKED


def segment(data: bytes) -> None:
    """The spool, after anything happened to its disk."""
    try:
        scan = _read_segment(data)
    except DataError:
        return
    assert 0 <= scan.end <= max(len(data), segments.HEADER_BYTES)
    assert scan.end + scan.torn == len(data) or not scan.batches
    for batch in scan.batches:
        assert batch.cells().keys() == set(batch.names)
        segments.encode(batch)


class _Wire(asyncio.Transport):
    """A socket in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return SOCKET if name == "socket" else default

    def write(self, data: bytes) -> None:
        self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        return None

    resume_reading = pause_reading


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    request = Request.of(scope, receive, Limits())
    try:
        body = await request.body()
    except RequestError:
        body = b""
    await Response(200, b"%d" % len(body)).send(send)


SOCKET = socket.socket()
LOOP = asyncio.new_event_loop()
atexit.register(SOCKET.close)
atexit.register(LOOP.close)
BOUNDS = Connections(Limits(head=512, headers=8, pipelined=3), most=9)
CONFIG = http_config(_echo, BOUNDS, grace=1)
CONFIG.load()


def http(data: bytes) -> None:
    """Connections: whole, and cut in two at the place that the first byte says."""
    for cut in {0, data[0] if data else 0}:
        LOOP.run_until_complete(_connection(data[:cut], data[cut:]))


async def _connection(*parts: bytes) -> None:
    wire = _Wire()
    protocol = DirectProtocol(BOUNDS, CONFIG, server_state=ServerState(), app_state={}, _loop=LOOP)
    protocol.connection_made(wire)
    for part in parts:
        if part and not wire.closing:
            protocol.data_received(part)
            await asyncio.sleep(0)
    protocol.expire()
    for _ in range(20):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    for task in list(protocol.tasks):
        await task
    BOUNDS.forget(protocol)
    assert not wire.sent or wire.sent.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4", b"HTTP/1.1 1"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        mlflow_json,
        v1_json,
        v2_json,
        v2_binary,
        csv,
        json_lines,
        vertex,
        azure,
        grpc,
        packed,
        segment,
        http,
    )
}
