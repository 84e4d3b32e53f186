"""Over real sockets, in the event loop that servers run in."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop

from holdfast.errors import UsageError
from holdfast.serving.app import create_app
from holdfast.serving.limits import Limits
from holdfast.serving.rpc.port import GrpcPort
from holdfast.serving.rpc.protocol import SERVICE, message

ROOT = Path(__file__).parents[3]
FIELDS = {float: ("FP64", "fp64_contents"), int: ("INT64", "int64_contents"),
          bool: ("BOOL", "bool_contents"), str: ("BYTES", "bytes_contents")}  # fmt: skip
Code = grpc.StatusCode
Request = message("ModelInferRequest")


def request_of(row: dict[str, Any], **more: Any) -> Any:
    request = Request(model_name="toy", **more)
    for name, value in row.items():
        datatype, field = FIELDS[type(value)]
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[1])
        cell = value.encode() if isinstance(value, str) else value
        getattr(tensor.contents, field).append(cell)
    return request


class Service:
    def __init__(self, stand: Any, port: GrpcPort, channel: grpc.aio.Channel) -> None:
        self.stand = stand
        self.port = port
        self.channel = channel

    def call(self, method: str, request: Any = None, **more: Any) -> Any:
        return self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=lambda given: given.SerializeToString(),
            response_deserializer=message(f"{method.removeprefix('/')}Response").FromString,
        )(message(f"{method}Request")() if request is None else request, **more)

    async def refused(self, method: str, request: Any = None, **more: Any) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(method, request, **more)
        return caught.value

    async def raw(self, method: str, body: bytes) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.channel.unary_unary(f"/{SERVICE}/{method}")(body)
        return caught.value


@pytest.fixture
def serve(toys: Any) -> Callable[..., Any]:
    """Runs a scene with a port, in an event loop of its own."""

    @asynccontextmanager
    async def opened(task: str, limits: Limits | None, tokens: Any) -> AsyncIterator[Service]:
        stand = toys.Stand(limits)
        await stand.live(task)
        app = create_app(stand.server, tokens=tokens)
        port = GrpcPort(app, stand.server, "127.0.0.1:0")
        await port.start()
        options = [("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
        try:
            async with grpc.aio.insecure_channel(port.address, options) as channel:
                yield Service(stand, port, channel)
        finally:
            await port.stop(0.0)

    def begin(
        scene: Callable[[Service], Awaitable[Any]], *, task: str = "binary",
        limits: Limits | None = None, tokens: Any = (),
    ) -> Any:  # fmt: skip
        async def whole() -> Any:
            async with asyncio.timeout(60), opened(task, limits, tokens) as service:
                return await scene(service)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(whole())

    return begin


def test_server_and_models_are_described(serve: Any) -> None:
    async def scene(service: Service) -> None:
        assert (await service.call("ServerLive")).live
        assert (await service.call("ServerReady")).ready
        about = await service.call("ServerMetadata")
        assert (about.name, list(about.extensions)) == ("holdfast", ["binary_tensor_data"])
        for version, there in (("", True), ("1", True), ("2", False), ("x", False)):
            asked = message("ModelReadyRequest")(name="toy", version=version)
            assert (await service.call("ModelReady", asked)).ready is there
        asked = message("ModelReadyRequest")(name="other")
        assert not (await service.call("ModelReady", asked)).ready
        model = await service.call("ModelMetadata", message("ModelMetadataRequest")(name="toy"))
        rest = (await service.stand.call("GET", "/v2/models/toy")).json
        assert (model.name, list(model.versions), model.platform) == (
            rest["name"], rest["versions"], rest["platform"],
        )  # fmt: skip
        for tensors, expected in ((model.inputs, rest["inputs"]), (model.outputs, rest["outputs"])):
            found = [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)}
                     for t in tensors]  # fmt: skip
            assert found == expected
        missing = message("ModelMetadataRequest")(name="other")
        assert (await service.refused("ModelMetadata", missing)).code() == Code.NOT_FOUND
        service.stand.server.draining = True
        assert (await service.call("ServerLive")).live
        assert not (await service.call("ServerReady")).ready

    serve(scene, task="multiclass")


def test_an_answer_names_its_prediction(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        call = service.call(
            "ModelInfer", request_of(toys.ROW, id="mine"), metadata=(("x-request-id", "c-1"),)
        )
        response = await call
        trailer = dict(await call.trailing_metadata())
        (batch,) = service.stand.spool.batches
        assert response.id == "mine"
        assert (response.model_name, response.model_version) == ("toy", "1")
        assert response.parameters["prediction_id"].string_param == batch.request
        assert trailer["x-holdfast-prediction-id"] == batch.request
        assert trailer["x-holdfast-version"] == "1"
        assert trailer["x-request-id"] == "c-1"
        rest = await service.stand.call("POST", "/v1/models/toy:predict", {"instances": [toys.ROW]})
        (expected,) = rest.json["predictions"]
        label, share = response.outputs
        assert list(label.contents.bytes_contents) == [expected["prediction"].encode()]
        assert (label.datatype, list(label.shape)) == ("BYTES", [1])
        assert list(share.contents.fp64_contents) == expected["probability"]
        assert list(share.shape) == [1, 3]
        assert not response.raw_output_contents
        unnamed = await service.call("ModelInfer", request_of(toys.ROW))
        assert unnamed.id == unnamed.parameters["prediction_id"].string_param
        metrics = service.stand.server.metrics.registry
        labels = {"model": "toy", "version": "1", "contract": "grpc", "code": "200"}
        assert metrics.get_sample_value("holdfast_requests_total", labels) == 2.0

    serve(scene, task="multiclass")


def test_outputs_as_bytes_and_only_those_that_were_asked_for(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        request = request_of(toys.ROW, outputs=[{"name": "probability"}])
        request.parameters["binary_data_output"].bool_param = True
        response = await service.call("ModelInfer", request)
        assert [output.name for output in response.outputs] == ["probability"]
        assert [len(raw) for raw in response.raw_output_contents] == [8]
        assert not response.outputs[0].HasField("contents")
        for output in ("hunter2", ""):
            request = request_of(toys.ROW, outputs=[{"name": output}])
            error = await service.refused("ModelInfer", request)
            assert error.code() == Code.INVALID_ARGUMENT
            assert "hunter2" not in error.details()

    serve(scene)


def _change(request: Any, **more: Any) -> Any:
    """The first tensor, ``amount``, otherwise."""
    for name, value in more.items():
        if name == "shape":
            del request.inputs[0].shape[:]
            request.inputs[0].shape.extend(value)
        elif name == "contents":
            request.inputs[0].contents.CopyFrom(message("InferTensorContents")(**value))
        elif name == "parameters":
            for key in value:
                request.inputs[0].parameters[key].string_param = "x"
        elif name == "raw":
            request.raw_input_contents.extend(value)
        else:
            setattr(request.inputs[0], name, value)
    return request


@pytest.mark.parametrize(
    "more",
    [
        {"shape": [2]},
        {"shape": [1, 2]},
        {"shape": [-1]},
        {"shape": []},
        {"shape": [2**62]},
        {"shape": [2**40, 2**40]},
        {"datatype": "FP8"},
        {"datatype": "FP32"},
        {"datatype": "FP16"},
        {"datatype": "INT64"},
        {"name": "age"},
        {"name": "stray"},
        {"contents": {}},
        {"contents": {"fp64_contents": [1.0, 2.0]}},
        {"contents": {"fp64_contents": [float("inf")]}},
        {"contents": {"fp64_contents": [1.0], "int64_contents": [1]}},
        {"contents": {"int_contents": [300]}, "datatype": "INT8"},
        {"contents": {"int_contents": [-1]}, "datatype": "UINT8"},
        {"contents": {"bytes_contents": [b"hunter2"]}, "datatype": "BYTES"},
        {"contents": {"bytes_contents": [b"\xff"]}, "datatype": "BYTES"},
        {"raw": [b"\0" * 8]},
        {"raw": [b"\0" * 8] * 6},
        {"parameters": ["shared_memory_region"]},
        {"id": "x" * 257},
    ],
    ids=str,
)
def test_messages_that_do_not_fit(serve: Any, toys: Any, more: dict[str, Any]) -> None:
    async def scene(service: Service) -> None:
        request = request_of(toys.ROW, id=more.pop("id", ""))
        error = await service.refused("ModelInfer", _change(request, **more))
        assert error.code() in (Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED)
        assert "hunter2" not in error.details()
        assert service.stand.spool.batches == []
        assert service.stand.server.in_flight == 0

    serve(scene)


def test_calls_that_are_refused(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        for method in ("ModelInfer", "ModelMetadata", "ModelReady"):
            assert (await service.raw(method, b"\xff\xff")).code() == Code.INVALID_ARGUMENT
        assert (await service.raw("RepositoryIndex", b"")).code() == Code.UNIMPLEMENTED
        empty = await service.refused("ModelInfer", Request(model_name="toy"))
        assert empty.code() == Code.INVALID_ARGUMENT
        for more in ({"model_version": "9"}, {"model_version": "hunter2"}):
            error = await service.refused("ModelInfer", request_of(toys.ROW, **more))
            assert error.code() == Code.NOT_FOUND
            assert "hunter2" not in error.details()
        nameless = request_of(toys.ROW)
        nameless.model_name = ""
        assert (await service.refused("ModelInfer", nameless)).code() == Code.NOT_FOUND

        async def nothing() -> AsyncIterator[bytes]:
            return
            yield b""

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.channel.stream_unary(f"/{SERVICE}/ModelInfer")(nothing())
        assert caught.value.code() == Code.INVALID_ARGUMENT

    serve(scene)


def test_a_model_that_fails_is_no_secret_told(serve: Any, toys: Any, caplog: Any) -> None:
    async def scene(service: Service) -> None:
        service.stand.shelf.toys["sha256:1"].fails = True
        error = await service.refused("ModelInfer", request_of(toys.ROW))
        assert error.code() == Code.INTERNAL
        assert "secret" not in error.details()
        (batch,) = service.stand.spool.batches
        assert batch.error == "bundle.failed"

    serve(scene)
    assert "a request could not be answered" in caplog.text


def test_messages_are_capped_before_and_after_they_are_unpacked(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        small = request_of(toys.ROW)
        assert (await service.call("ModelInfer", small, compression=grpc.Compression.Gzip)).id
        large = request_of(toys.ROW)
        large.parameters["x"].string_param = "a" * 2**21
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            error = await service.refused("ModelInfer", large, compression=compression)
            assert error.code() == Code.RESOURCE_EXHAUSTED
        assert service.stand.server.in_flight == 0

    serve(scene, limits=Limits(body=2**20))


def test_tokens(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        assert (await service.call("ServerLive")).live
        assert (await service.call("ServerReady")).ready
        for given in ((), (("authorization", "Bearer wrong"),), (("authorization", "Basic t"),)):
            for method, request in (
                ("ModelInfer", request_of(toys.ROW)), ("ServerMetadata", None),
                ("ModelMetadata", message("ModelMetadataRequest")(name="toy")),
                ("ModelReady", message("ModelReadyRequest")(name="toy")),
            ):  # fmt: skip
                error = await service.refused(method, request, metadata=given)
                assert error.code() == Code.UNAUTHENTICATED
        right = (("authorization", "Bearer t"),)
        assert (await service.call("ModelInfer", request_of(toys.ROW), metadata=right)).id
        assert (await service.call("ServerMetadata", metadata=right)).name == "holdfast"

    serve(scene, tokens=[hashlib.sha256(b"t").hexdigest()])


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def _slow(toys: Any) -> Any:
    """Rows that are scored in a thread, where the model can be made to wait."""
    request = Request(model_name="toy")
    for name, value in toys.ROW.items():
        datatype, field = FIELDS[type(value)]
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[2])
        cell = value.encode() if isinstance(value, str) else value
        getattr(tensor.contents, field).extend([cell, cell])
    return request


def test_what_is_too_much_is_told_to_come_back(serve: Any, toys: Any, gate: Any) -> None:
    async def scene(service: Service) -> None:
        service.stand.shelf.toys["sha256:1"].gate = gate
        first = asyncio.ensure_future(service.call("ModelInfer", _slow(toys)))
        await toys.until(lambda: service.stand.server.in_flight == 1)
        error = await service.refused("ModelInfer", _slow(toys))
        assert error.code() == Code.UNAVAILABLE
        assert ("grpc-retry-pushback-ms", "1000") in tuple(error.trailing_metadata())
        gate.set()
        assert (await first).id
        assert service.stand.server.in_flight == 0

    serve(scene, limits=Limits(in_flight=1, inline_rows=1))


def test_a_caller_who_leaves_is_counted(serve: Any, toys: Any, gate: Any) -> None:
    async def scene(service: Service) -> None:
        toy = service.stand.shelf.toys["sha256:1"]
        toy.gate = gate
        call = service.call("ModelInfer", _slow(toys))
        await toys.until(lambda: service.stand.server.in_flight == 1)
        call.cancel()
        metrics = service.stand.server.metrics.registry
        labels = {"model": "", "version": "", "contract": "grpc", "code": "499"}
        await toys.until(lambda: metrics.get_sample_value("holdfast_requests_total", labels))
        assert service.stand.server.in_flight == 0
        assert service.stand.spool.batches == []

    serve(scene, limits=Limits(inline_rows=1))


def test_a_deadline_ends_the_call(serve: Any, toys: Any, gate: Any) -> None:
    async def scene(service: Service) -> None:
        toy = service.stand.shelf.toys["sha256:1"]
        toy.gate = gate
        error = await service.refused("ModelInfer", _slow(toys), timeout=0.2)
        assert error.code() == Code.DEADLINE_EXCEEDED
        gate.set()
        toy.gate = None
        assert (await service.call("ModelInfer", _slow(toys), timeout=30.0)).id

    serve(scene, limits=Limits(inline_rows=1))


def test_a_message_that_never_comes_is_not_waited_for(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        call = service.channel.stream_unary(f"/{SERVICE}/ModelInfer")()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() == Code.DEADLINE_EXCEEDED
        assert "too long" in str(caught.value.details())
        assert service.stand.server.in_flight == 0

    serve(scene, limits=Limits(body_seconds=0.05))


def test_a_stop_finishes_what_was_begun(serve: Any, toys: Any, gate: Any) -> None:
    async def scene(service: Service) -> None:
        service.stand.shelf.toys["sha256:1"].gate = gate
        begun = asyncio.ensure_future(service.call("ModelInfer", _slow(toys)))
        await toys.until(lambda: service.stand.server.in_flight == 1)
        stopping = asyncio.ensure_future(service.port.stop(30.0))
        await asyncio.sleep(0)
        error = await service.refused("ModelInfer", _slow(toys))
        assert error.code() == Code.UNAVAILABLE
        assert not begun.done()
        gate.set()
        assert (await begun).id
        await stopping

    serve(scene, limits=Limits(inline_rows=1))


def test_equal_keys_go_the_same_way_as_over_http(serve: Any, toys: Any) -> None:
    async def scene(service: Service) -> None:
        stand = service.stand
        stand.shelf.put("sha256:2", toys.Toy("binary", shift=1.0))
        await stand.server.apply(toys.route(2, toys.arm(1, 0.5), toys.arm(2, 0.5)))
        seen = set()
        for number in range(12):
            key = f"k{number}"
            call = service.call(
                "ModelInfer", request_of(toys.ROW), metadata=(("x-holdfast-routing-key", key),)
            )
            version = (await call).model_version
            seen.add(version)
            rest = await stand.call(
                "POST", "/v1/models/toy:predict", {"instances": [toys.ROW]},
                {"x-holdfast-routing-key": key},
            )  # fmt: skip
            assert rest.headers["x-holdfast-version"] == version
        assert seen == {"1", "2"}

    serve(scene)


def test_an_address_that_cannot_be_had(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        port = GrpcPort(stand.app, stand.server, "192.0.2.1:1")
        with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
            await port.start()

    toys.run(scene())


def test_the_compiled_definition_is_up_to_date(tmp_path: Path) -> None:
    """Otherwise run: scripts/protocol.sh."""
    folder = ROOT / "src" / "holdfast" / "serving" / "rpc"
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={folder}",
         f"--descriptor_set_out={tmp_path / 'new.binpb'}", "inference.proto"],
        check=True,
    )  # fmt: skip
    assert (tmp_path / "new.binpb").read_bytes() == (folder / "inference.binpb").read_bytes()
