"""A row means the same in every contract: the same prediction and record, or the same refusal.

A contract is one adapter: it writes rows as a client would, or says that the contract has no way
to write them, and reads the answer.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import struct
import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import grpc
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.records import Field
from holdfast.serving.app import create_app
from holdfast.serving.limits import Limits
from holdfast.serving.platforms import Platform
from holdfast.serving.rpc.port import GrpcPort
from holdfast.serving.rpc.protocol import SERVICE, message

Table = dict[str, list[Any]]  # the rows, column by column
NAMES = ("amount", "age", "count", "member", "city", "since")
TYPES = {
    "amount": "FP64", "age": "FP64", "count": "INT64", "member": "BOOL", "city": "BYTES",
    "since": "BYTES", "key": "BYTES",
}  # fmt: skip
PACKED = {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}
ARROW = {"FP64": pa.float64(), "INT64": pa.int64(), "BOOL": pa.bool_(), "BYTES": pa.string()}
CONTENTS = {
    "FP64": "fp64_contents", "INT64": "int64_contents", "BOOL": "bool_contents",
    "BYTES": "bytes_contents",
}  # fmt: skip
WIDTH = 3
VECTORS = ("image", "spot")
TYPES |= dict.fromkeys(VECTORS, "FP64")
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.INTERNAL: 500,
}
EXACT = 2**53
MOST = 5  # rows of a request
Request = message("ModelInferRequest")


class Inexpressible(Exception):  # noqa: N818 (it is no error)
    """The contract has no way to write these rows."""


class Outcome(NamedTuple):
    """What came of a request; ``recorded`` are columns and ids as they went to the spool."""

    status: int
    predictions: Any = None
    recorded: Any = None


class Service:
    """One model behind every contract: ASGI in process, gRPC over a socket."""

    def __init__(self, stand: Any, port: GrpcPort, channel: grpc.aio.Channel) -> None:
        self.stand = stand
        self.names = stand.server.pick("toy").converter.names
        self.port = port
        self.channel = channel

    async def post(self, path: str, body: bytes, **headers: str) -> Any:
        kind = {"content-type": "application/json"}
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.stand.call("POST", path, body, kind | named)

    async def infer(self, request: Any) -> Any:
        call = self.channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=lambda given: given.SerializeToString(),
            response_deserializer=message("ModelInferResponse").FromString,
        )
        try:
            return await call(request)
        except grpc.aio.AioRpcError as error:
            return error


def rows_of(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def encode(value: Any) -> bytes:
    """JSON as Python's own writes it: with Infinity, which is none."""
    return json.dumps(value).encode()


async def _rows(service: Service, path: str, body: Any, **headers: str) -> Outcome:
    data = body if isinstance(body, bytes) else encode(body)
    answered = await service.post(path, data, **headers)
    if answered.status != 200:
        return Outcome(answered.status)
    return Outcome(200, answered.json["predictions"])


async def records(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/invocations", {"dataframe_records": rows_of(table)})


async def split(service: Service, table: Table) -> Outcome:
    data = [list(row.values()) for row in rows_of(table)]
    return await _rows(
        service, "/invocations", {"dataframe_split": {"columns": list(table), "data": data}}
    )


async def instances(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/invocations", {"instances": rows_of(table)})


async def positional(service: Service, table: Table) -> Outcome:
    if set(table) != set(service.names):
        raise Inexpressible("columns have no names here")
    data = [[row[name] for name in service.names] for row in rows_of(table)]
    return await _rows(service, "/invocations", {"instances": data})


async def inputs(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/invocations", {"inputs": table})


async def csv_text(service: Service, table: Table) -> Outcome:
    if set(VECTORS) & set(service.names):
        raise Inexpressible("a cell holds one value")
    for name, column in table.items():
        kinds = {"FP64": (int, float), "INT64": (int, float), "BOOL": (bool,), "BYTES": (str,)}
        for cell in column:
            if cell is not None and type(cell) not in kinds[TYPES.get(name, "FP64")]:
                raise Inexpressible("cells have no types here")
            if type(cell) is str and (not cell or any(map(_control, cell))):
                raise Inexpressible("an empty cell is null")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table)
    for row in zip(*table.values(), strict=True):
        writer.writerow(["" if cell is None else cell for cell in row])
    body = text.getvalue().encode()
    return await _rows(service, "/invocations", body, content_type="text/csv")


def _control(letter: str) -> bool:
    return unicodedata.category(letter).startswith("C")


async def v1_instances(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/v1/models/toy:predict", {"instances": rows_of(table)})


async def v1_inputs(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/v1/models/toy:predict", {"inputs": table})


def datatype(name: str, column: list[Any], *, plain: bool = False) -> str:
    """The datatype a client would choose; with ``plain`` for values that stand beside no type."""
    kinds = {type(cell) for cell in column} - {type(None)}
    declared = TYPES.get(name, "FP64")
    if kinds <= {int, float} and len(kinds) == 2:
        if any(type(cell) is int and abs(cell) > EXACT for cell in column):
            raise Inexpressible("a tensor has one datatype")
        return "FP64"
    if len(kinds) > 1:
        if plain or (name == "key" and kinds == {str, int}):  # ids may be mixed, tensors may not
            raise Inexpressible("a tensor has one datatype")
        return declared
    if kinds == {int} and declared == "FP64" and max(abs(cell or 0) for cell in column) >= 2**63:
        raise Inexpressible("no datatype of whole numbers holds it")
    found = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}
    return found[kinds.pop()] if kinds else declared


def unrolled(name: str, column: list[Any]) -> tuple[list[int], list[Any]]:
    """Shape and values of a tensor: of vectors row after row, a null one as nulls."""
    if name not in VECTORS:
        return [len(column)], column
    widths = {len(cell) for cell in column if type(cell) is list} or {WIDTH}
    if len(widths) > 1 or 0 in widths or {type(cell) for cell in column} - {list, type(None)}:
        raise Inexpressible("a tensor has one shape")
    width = widths.pop()
    cells = [[None] * width if cell is None else cell for cell in column]
    return [len(column), width], [number for cell in cells for number in cell]


def json_tensors(table: Table, *, nested: bool = False) -> bytes:
    tensors = []
    for name, column in table.items():
        shape, data = unrolled(name, column)
        kind = datatype(name, data)
        if nested:
            width = shape[-1] if name in VECTORS else 1
            shape = [len(column), width]
            data = [data[at : at + width] for at in range(0, len(data), width)]
        tensors.append({"name": name, "datatype": kind, "shape": shape, "data": data})
    return encode({"inputs": tensors})


async def v2_json(service: Service, table: Table) -> Outcome:
    return _tensors(await service.post("/v2/models/toy/infer", json_tensors(table)))


async def v2_nested(service: Service, table: Table) -> Outcome:
    body = json_tensors(table, nested=True)
    return _tensors(await service.post("/v2/models/toy/versions/1/infer", body))


def _tensors(answered: Any) -> Outcome:
    if answered.status != 200:
        assert answered.json.keys() == {"error"}
        return Outcome(answered.status)
    return Outcome(200, answered.json["outputs"][0]["data"])


def typed(name: str, column: list[Any]) -> tuple[str, list[Any]]:
    """Datatype and values where every value has to be one of the datatype: NaN is null."""
    kind = datatype(name, column, plain=True)
    if None in column:
        numbers = {type(cell) for cell in column} <= {int, float, type(None)}
        if not numbers or TYPES.get(name, "FP64") not in ("FP64", "INT64"):
            raise Inexpressible("only numbers have a null here")
        if any(type(cell) is int and abs(cell) > EXACT for cell in column):
            raise Inexpressible("a whole number with null beside it has to be a float64")
        return "FP64", [float("nan") if cell is None else float(cell) for cell in column]
    if kind == "INT64" and any(not -(2**63) <= cell < 2**63 for cell in column):
        raise Inexpressible("no datatype holds it")
    return kind, [float(cell) for cell in column] if kind == "FP64" else column


def packed(kind: str, values: list[Any]) -> bytes:
    if kind == "BYTES":
        texts = [text.encode() for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, dtype=PACKED[kind]).tobytes()


async def v2_binary(service: Service, table: Table) -> Outcome:
    heads, parts = [], []
    for name, column in table.items():
        shape, data = unrolled(name, column)
        kind, values = typed(name, data)
        parts.append(packed(kind, values))
        size = {"binary_data_size": len(parts[-1])}
        heads.append({"name": name, "datatype": kind, "shape": shape, "parameters": size})
    head = encode({"inputs": heads, "parameters": {"binary_data_output": True}})
    answered = await service.post(
        "/v2/models/toy/infer",
        b"".join((head, *parts)),
        content_type="application/octet-stream",
        inference_header_content_length=str(len(head)),
    )
    if answered.status != 200:
        return Outcome(answered.status)
    length = int(answered.headers["inference-header-content-length"])
    return Outcome(200, np.frombuffer(answered.body[length:], "<f8").tolist())


async def grpc_typed(service: Service, table: Table) -> Outcome:
    request = Request(model_name="toy")
    for name, column in table.items():
        shape, data = unrolled(name, column)
        kind, values = typed(name, data)
        tensor = request.inputs.add(name=name, datatype=kind, shape=shape)
        cells = [cell.encode() for cell in values] if kind == "BYTES" else values
        getattr(tensor.contents, CONTENTS[kind]).extend(cells)
    response = await service.infer(request)
    if isinstance(response, grpc.aio.AioRpcError):
        return Outcome(REFUSALS[response.code()])
    return Outcome(200, list(response.outputs[0].contents.fp64_contents))


async def grpc_raw(service: Service, table: Table) -> Outcome:
    request = Request(model_name="toy", model_version="1")
    for name, column in table.items():
        shape, data = unrolled(name, column)
        kind, values = typed(name, data)
        shape = shape if name in VECTORS else [*shape, 1]
        request.inputs.add(name=name, datatype=kind, shape=shape)
        request.raw_input_contents.append(packed(kind, values))
    response = await service.infer(request)
    if isinstance(response, grpc.aio.AioRpcError):
        return Outcome(REFUSALS[response.code()])
    return Outcome(200, np.frombuffer(response.raw_output_contents[0], "<f8").tolist())


async def lines(service: Service, table: Table) -> Outcome:
    body = b"\n".join(encode(row) for row in rows_of(table))
    return await _rows(service, "/invocations", body, content_type="application/jsonlines")


async def azure(service: Service, table: Table) -> Outcome:
    data = [list(row.values()) for row in rows_of(table)]
    return await _rows(service, "/score", {"input_data": {"columns": list(table), "data": data}})


async def azure_records(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/score", {"data": rows_of(table)})


async def vertex(service: Service, table: Table) -> Outcome:
    return await _rows(service, "/predict", {"instances": rows_of(table)})


async def parquet(service: Service, table: Table) -> Outcome:
    columns = {}
    for name, column in table.items():
        shape, flat = unrolled(name, column)
        kind = datatype(name, flat, plain=True)
        if kind == "INT64" and any(c is not None and not -(2**63) <= c < 2**63 for c in flat):
            raise Inexpressible("no type of Arrow's holds it")
        cells = [None if c is None else float(c) for c in flat] if kind == "FP64" else flat
        columns[name] = pa.array(cells, ARROW[kind])
        if name in VECTORS:
            fixed = pa.FixedSizeListArray.from_arrays(columns[name], shape[1])
            lists = pa.list_(ARROW[kind]) if name == "spot" else fixed.type
            columns[name] = fixed.cast(lists)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    kind = "application/vnd.apache.parquet"
    return await _rows(service, "/invocations", file.getvalue(), content_type=kind)


Send = Callable[[Service, Table], Awaitable[Outcome]]
CONTRACTS: tuple[Send, ...] = (
    records, split, instances, positional, inputs, csv_text, v1_instances, v1_inputs, v2_json,
    v2_nested, v2_binary, grpc_typed, grpc_raw, lines, azure, azure_records, vertex, parquet,
)  # fmt: skip


async def ask(service: Service, send: Send, table: Table) -> Outcome | None:
    """The outcome; ``None`` when the contract cannot express the rows."""
    kept = service.stand.spool.batches
    kept.clear()
    try:
        outcome = await send(service, table)
    except Inexpressible:
        return None
    if outcome.status != 200:
        assert kept == []
        return outcome
    (batch,) = kept
    recorded = [batch.cells(), batch.ids]
    return outcome._replace(recorded=msgspec.json.encode(recorded))


def _asking(toys: Any, inputs: Any) -> Iterator[Callable[[Table], dict[str, Outcome]]]:
    async def begin() -> Service:
        stand = toys.Stand(Limits(rows=MOST))
        vertex_ai = Platform(name="vertex", predict="/predict", health="/live")
        stand.app = create_app(stand.server, platform=vertex_ai)
        await stand.live("regression", inputs=inputs)
        port = GrpcPort(stand.app, stand.server, "127.0.0.1:0")
        await port.start()
        return Service(stand, port, grpc.aio.insecure_channel(port.address))

    async def every(table: Table) -> dict[str, Outcome]:
        found = {send.__name__: await ask(service, send, table) for send in CONTRACTS}
        return {name: outcome for name, outcome in found.items() if outcome is not None}

    async def end() -> None:
        await service.channel.close()
        await service.port.stop(0.0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        service = runner.run(begin())
        yield lambda table: runner.run(every(table))
        runner.run(end())


@pytest.fixture(scope="module")
def ask_all(toys: Any) -> Iterator[Callable[[Table], dict[str, Outcome]]]:
    yield from _asking(toys, toys.INPUTS)


@pytest.fixture(scope="module")
def ask_vectors(toys: Any) -> Iterator[Callable[[Table], dict[str, Outcome]]]:
    yield from _asking(toys, (*VECTOR_INPUTS, *toys.INPUTS[1:3]))


VECTOR_INPUTS = (
    Field(name="image", type="vector", width=WIDTH, nullable=False),
    Field(name="spot", type="vector", width=WIDTH),
)
NUMBER = st.floats(-1e300, 1e300)
SAYINGS: dict[str, st.SearchStrategy[Any]] = {
    "amount": NUMBER | st.integers(-EXACT, EXACT),
    "age": NUMBER,
    "count": st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9),
    "member": st.booleans(),
    "city": st.text(max_size=8),
    "since": st.datetimes().map(lambda moment: moment.isoformat()),
    "key": st.text("abc123-", min_size=1, max_size=10),
}
ODD = st.sampled_from(
    [None, "", "text", "1.5", 1.5, 7, True, float("inf"), -float("inf"), 2**63, 2**70, 1e300]
)


@st.composite
def tables(draw: Any, *, odd: bool = False) -> Table:
    """Rows that a client might send; ``odd`` ones have cells and columns that do not belong."""
    names = [*NAMES, "key"] if draw(st.booleans()) else list(NAMES)
    if odd:
        names = draw(st.lists(st.sampled_from([*names, "stray"]), min_size=1, unique=True))
    count = draw(st.integers(0, MOST) if odd else st.integers(1, MOST + 2))
    table = {}
    for name in draw(st.permutations(names)):
        cells = SAYINGS.get(name, NUMBER)
        if name in ("amount", "count", "member", "city", "since") and draw(st.booleans()):
            cells = st.none() | cells
        if odd and draw(st.booleans()):
            cells = cells | ODD
        table[name] = draw(st.lists(cells, min_size=count, max_size=count))
    return table


@settings(max_examples=120, deadline=None)
@given(table=tables())
def test_a_row_means_the_same_everywhere(ask_all: Any, table: Table) -> None:
    outcomes = ask_all(table)
    first = outcomes["records"]
    assert first.status == (200 if len(table["age"]) <= MOST else 413)
    assert {name: outcome for name, outcome in outcomes.items() if outcome != first} == {}
    assert {"split", "inputs", "v1_instances", "v2_json", "v2_nested"} < outcomes.keys()


@settings(max_examples=150, deadline=None)
@given(table=tables(odd=True))
def test_what_one_contract_refuses_they_all_refuse(ask_all: Any, table: Table) -> None:
    outcomes = ask_all(table)
    first = outcomes["records"]
    if not next(iter(table.values())):
        assert first.status == 400  # an empty list of records has no columns to be wrong
    assert {name: outcome for name, outcome in outcomes.items() if outcome != first} == {}


def test_every_contract_was_asked(ask_all: Any, toys: Any) -> None:
    """With a row that each of them can express, so that none passes by saying nothing."""
    outcomes = ask_all({name: [value] for name, value in toys.ROW.items()})
    assert outcomes.keys() == {send.__name__ for send in CONTRACTS}
    assert {outcome.status for outcome in outcomes.values()} == {200}
    wrong = ask_all({name: [value] for name, value in toys.ROW.items() if name != "age"})
    assert outcomes.keys() - wrong.keys() == {"positional"}
    assert {outcome.status for outcome in wrong.values()} == {400}
    many = ask_all({name: [value] * (MOST + 1) for name, value in toys.ROW.items()})
    assert {outcome.status for outcome in many.values()} == {413}
    assert many.keys() == outcomes.keys()


@pytest.mark.parametrize("name", ["amount", "count"])
def test_null_is_null_where_a_contract_can_say_it(ask_all: Any, toys: Any, name: str) -> None:
    outcomes = ask_all({key: [value] for key, value in toys.ROW.items()} | {name: [None]})
    assert outcomes.keys() == {send.__name__ for send in CONTRACTS}
    assert len(set(map(str, outcomes.values()))) == 1
    assert f'"{name}":[null]'.encode() in outcomes["grpc_raw"].recorded


VECTOR = st.lists(NUMBER | st.integers(-9, 9), min_size=WIDTH, max_size=WIDTH)
GAPPY = st.lists(NUMBER | ODD, min_size=WIDTH, max_size=WIDTH)
RAGGED = st.lists(NUMBER, max_size=WIDTH + 1)


@st.composite
def vector_tables(draw: Any, *, odd: bool = False) -> Table:
    """Rows of two vectors, a number and a whole number; ``odd`` ones are wrong somehow."""
    count = draw(st.integers(1, MOST + (0 if odd else 2)))
    image, spot = VECTOR, st.none() | VECTOR
    if odd:
        image, spot = draw(
            st.tuples(
                st.sampled_from([VECTOR, VECTOR | ODD, GAPPY, RAGGED]),
                st.sampled_from([st.none() | VECTOR, GAPPY, RAGGED]),
            )
        )
    cells = {"image": image, "spot": spot, "age": NUMBER, "count": st.integers(-9, 9)}
    return {
        name: draw(st.lists(cells[name], min_size=count, max_size=count))
        for name in draw(st.permutations(list(cells)))
    }


@settings(max_examples=60, deadline=None)
@given(table=vector_tables())
def test_a_vector_means_the_same_everywhere(ask_vectors: Any, table: Table) -> None:
    outcomes = ask_vectors(table)
    first = outcomes["records"]
    assert first.status == (200 if len(table["age"]) <= MOST else 413)
    assert {name: outcome for name, outcome in outcomes.items() if outcome != first} == {}
    assert {"split", "inputs", "v1_instances", "v2_json", "v2_nested"} < outcomes.keys()


@settings(max_examples=80, deadline=None)
@given(table=vector_tables(odd=True))
def test_what_one_contract_refuses_of_a_vector_they_all_refuse(
    ask_vectors: Any, table: Table
) -> None:
    outcomes = ask_vectors(table)
    first = outcomes["records"]
    assert {name: outcome for name, outcome in outcomes.items() if outcome != first} == {}


GOOD: Table = {"image": [[1.0, 2.5, -3.0]], "spot": [None], "age": [40.0], "count": [3]}


def test_every_contract_but_csv_was_asked_for_a_vector(ask_vectors: Any) -> None:
    outcomes = ask_vectors(GOOD)
    assert outcomes.keys() == {send.__name__ for send in CONTRACTS} - {"csv_text"}
    assert {outcome.status for outcome in outcomes.values()} == {200}
    assert b'"image":[[1.0,2.5,-3.0]]' in outcomes["grpc_raw"].recorded
    assert b'"spot":[null]' in outcomes["grpc_raw"].recorded
    for wrong in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [1.0, None, 2.0], None):
        refused = ask_vectors({**GOOD, "image": [wrong]})
        assert refused.keys() == outcomes.keys(), "each of them can say it"
        assert {outcome.status for outcome in refused.values()} == {400}
