"""The Open Inference Protocol, version 2, over REST, with its binary tensor extension."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from holdfast.bundle.predictor import Outputs
from holdfast.errors import RequestError
from holdfast.serving.about import VERSION
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.payload import check_media_type, read_object, respond
from holdfast.serving.requests import Request, Response
from holdfast.serving.router import LiveRoute, Loaded
from holdfast.serving.server import Answer, ModelServer
from holdfast.serving.tensors import Result, read_tensors, write_binary, write_json

PREFIX = "/v2/models/"
_OCTETS = b"application/octet-stream"
_LENGTH = b"inference-header-content-length"
_DATATYPES = {
    "double": "FP64", "long": "INT64", "boolean": "BOOL", "string": "BYTES", "datetime": "BYTES",
}  # fmt: skip
_NUMBERS = ("FP", "INT", "UINT")
_TAKEN: dict[str, tuple[str, ...]] = {
    "double": _NUMBERS, "long": _NUMBERS, "boolean": ("BOOL",), "string": ("BYTES",),
    "datetime": ("BYTES",),
}  # fmt: skip
_LONGEST_ID = 256
_encode = msgspec.json.Encoder().encode


class Asked(NamedTuple):
    """A request as read: its rows, its id, and which outputs are wanted in which form."""

    rows: Rows
    id: str | None
    outputs: dict[str, bool]
    binary: bool


async def infer(server: ModelServer, request: Request, name: str, version: str | None) -> Response:
    """``POST /v2/models/{m}[/versions/{v}]/infer``.

    Raises:
        HoldfastError: when the rows cannot be answered.
    """
    if request.media_type != _OCTETS:
        check_media_type(request)
    live = server.pick(name)
    loaded = None if version is None else server.version(live, version)
    converter = live.converter if loaded is None else loaded.converter
    length = request.headers.get(_LENGTH)
    body = await request.body()
    asked = await server.parse(len(body), lambda: read_request(body, length, converter))
    answer = await server.answer(live, asked.rows, request, loaded)
    return _write(answer, request, asked)


def read_request(body: bytes, length: bytes | None, converter: Converter) -> Asked:
    """Reads the JSON, and the tensors after it when ``length`` says where it ends.

    Raises:
        RequestError: when anything does not fit.
    """
    head, binary = body, b""
    if length is not None:
        if not length.isdigit() or int(length) > len(body):
            raise _wrong("Inference-Header-Content-Length does not fit the body")
        head, binary = body[: int(length)], body[int(length) :]
    given = read_object(head)
    identity = given.get("id")
    if identity is not None and (type(identity) is not str or len(identity) > _LONGEST_ID):
        raise _wrong(f"id must be text of at most {_LONGEST_ID} characters")
    tensors = read_tensors(given.get("inputs"), binary, converter.limit)
    count = tensors[0].rows
    columns = {tensor.name: tensor.values for tensor in tensors}
    if len(columns) != len(tensors) or any(tensor.rows != count for tensor in tensors):
        raise _wrong("inputs must have different names and the same number of rows")
    datatypes = {tensor.name: tensor.datatype for tensor in tensors}
    for field in converter.signature.inputs:
        datatype = datatypes.get(field.name)
        if datatype is not None and not datatype.startswith(_TAKEN[field.type]):
            raise _wrong(f"the input '{field.name}' must be {_DATATYPES[field.type]}")
    outputs, binary_output = _wanted(given)
    if "probability" in outputs and not converter.signature.classes:
        raise _wrong("a regression has the output prediction only")
    return Asked(converter.columns(columns, count), identity, outputs, binary_output)


def _wanted(given: dict[str, Any]) -> tuple[dict[str, bool], bool]:
    """Names of the outputs asked for, each with whether as bytes; and the default of that."""
    every = _parameters(given).get("binary_data_output") is True
    outputs = given.get("outputs")
    if outputs is None:
        return {}, every
    if type(outputs) is not list or not all(
        type(item) is dict and type(item.get("name")) is str for item in outputs
    ):
        raise _wrong("outputs must be a list of objects with a name")
    wanted = {}
    for item in outputs:
        if item["name"] not in ("prediction", "probability"):
            raise _wrong("the outputs are prediction and, for classes, probability")
        wanted[item["name"]] = _parameters(item).get("binary_data", every) is True
    return wanted, every


def _parameters(item: dict[str, Any]) -> dict[str, Any]:
    parameters = item.get("parameters", {})
    if type(parameters) is not dict:
        raise _wrong("parameters must be an object")
    return parameters


def _write(answer: Answer, request: Request, asked: Asked) -> Response:
    results = _results(answer.outputs, answer.loaded)
    heads, parts = [], []
    for result in results:
        if asked.outputs and result.name not in asked.outputs:
            continue
        if asked.outputs.get(result.name, asked.binary):
            head, raw = write_binary(result)
            parts.append(raw)
        else:
            head = write_json(result)
        heads.append(head)
    body = _encode(
        {
            "model_name": answer.model,
            "model_version": str(answer.loaded.version),
            "id": asked.id if asked.id is not None else answer.prediction_id,
            "outputs": heads,
        }
    )
    if not parts:
        return respond(answer, request, body)
    length = (_LENGTH, b"%d" % len(body))
    response = respond(answer, request, b"".join((body, *parts)), length)
    return response._replace(kind=_OCTETS)


def _results(outputs: Outputs, loaded: Loaded) -> list[Result]:
    results = [Result("prediction", _label_datatype(loaded), outputs.prediction)]
    if outputs.probability is not None:
        results.append(Result("probability", "FP64", outputs.probability))
    return results


def _label_datatype(loaded: Loaded) -> str:
    if loaded.task == "regression":
        return "FP64"
    kinds = {type(label) for label in loaded.signature.classes}
    return "BOOL" if kinds == {bool} else "INT64" if kinds == {int} else "BYTES"


def server_metadata() -> Response:
    """``GET /v2``."""
    return Response(
        200,
        _encode({"name": "holdfast", "version": VERSION, "extensions": ["binary_tensor_data"]}),
    )


def health(server: ModelServer, *, ready: bool) -> Response:
    """``GET /v2/health/live`` and ``…/ready``: live says nothing of models, so that a model that
    fails never gets its server killed.
    """
    fine = server.ready or not ready
    body = _encode({"live": True, "ready": server.ready})
    return Response(200 if fine else 503, body)


def model_metadata(server: ModelServer, name: str, version: str | None) -> Response:
    """``GET /v2/models/{m}[/versions/{v}]``.

    Raises:
        NotFoundError: when there is no such model or version.
    """
    live, loaded = _find(server, name, version)
    outputs = [
        {"name": "prediction", "datatype": _label_datatype(loaded), "shape": [-1]},
        *_probability(loaded),
    ]
    inputs = [
        {"name": field.name, "datatype": _DATATYPES[field.type], "shape": [-1]}
        for field in loaded.signature.inputs
    ]
    body = {
        "name": live.model,
        "versions": [str(number) for number in sorted(live.versions)],
        "platform": f"holdfast_{loaded.kind}",
        "inputs": inputs,
        "outputs": outputs,
    }
    return Response(200, _encode(body))


def _probability(loaded: Loaded) -> list[dict[str, Any]]:
    if loaded.task == "regression":
        return []
    shape = [-1] if loaded.task == "binary" else [-1, len(loaded.signature.classes)]
    return [{"name": "probability", "datatype": "FP64", "shape": shape}]


def model_ready(server: ModelServer, name: str, version: str | None) -> Response:
    """``GET /v2/models/{m}[/versions/{v}]/ready``.

    Raises:
        NotFoundError: when there is no such model or version.
    """
    asleep = version is None and name in server.routes.asleep
    if not asleep:
        _find(server, name, version)
    ready = server.ready and not (asleep and name in server.routes.problems)
    return Response(200 if ready else 503, _encode({"name": name, "ready": ready}))


def _find(server: ModelServer, name: str, version: str | None) -> tuple[LiveRoute, Loaded]:
    live = server.pick(name)
    return live, live.champion if version is None else server.version(live, version)


def _wrong(message: str) -> RequestError:
    return RequestError("request.wrong_tensor", message, "See /docs for examples")
