"""The Open Inference Protocol, version 2, over REST, with its binary tensor extension."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.serving.about import VERSION
from holdfast.serving.converter import Converter
from holdfast.serving.inference import (
    EXTENSIONS,
    Asked,
    check_id,
    check_output,
    describe,
    read_rows,
    results,
)
from holdfast.serving.inference import model_ready as model_available
from holdfast.serving.payload import check_media_type, read_object, respond
from holdfast.serving.requests import Request, Response
from holdfast.serving.server import Answer, ModelServer
from holdfast.serving.tensors import (
    check_parameters,
    read_tensors,
    write_binary,
    write_json,
    wrong,
)

PREFIX = "/v2/models/"
_OCTETS = b"application/octet-stream"
_LENGTH = b"inference-header-content-length"
_encode = msgspec.json.Encoder().encode


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
            raise wrong("Inference-Header-Content-Length does not fit the body")
        head, binary = body[: int(length)], body[int(length) :]
    given = read_object(head)
    check_id(given.get("id"))
    tensors = read_tensors(given.get("inputs"), binary, converter.limit, converter.widths)
    outputs, every = _wanted(given, converter)
    return Asked(read_rows(tensors, converter), given.get("id"), outputs, every)


def _wanted(given: dict[str, Any], converter: Converter) -> tuple[dict[str, bool], bool]:
    """Names of the outputs asked for, each with whether as bytes; and the default of that."""
    every = _flag(given, "binary_data_output", default=False)
    outputs = given.get("outputs")
    if outputs is None:
        return {}, every
    if type(outputs) is not list or not all(type(item) is dict for item in outputs):
        raise wrong("outputs must be a list of objects with a name")
    wanted = {}
    for item in outputs:
        check_output(item.get("name"), converter)
        wanted[item["name"]] = _flag(item, "binary_data", default=every)
    return wanted, every


def _flag(item: dict[str, Any], name: str, *, default: bool) -> bool:
    flag = check_parameters(item.get("parameters")).get(name, default)
    if type(flag) is not bool:
        raise wrong(f"the parameter {name} must be true or false")
    return flag


def _write(answer: Answer, request: Request, asked: Asked) -> Response:
    heads, parts = [], []
    for result in results(answer, asked):
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
            "parameters": {"prediction_id": answer.prediction_id},
            "outputs": heads,
        }
    )
    if not parts:
        return respond(answer, request, body)
    length = (_LENGTH, b"%d" % len(body))
    response = respond(answer, request, b"".join((body, *parts)), length)
    return response._replace(kind=_OCTETS)


def server_metadata() -> Response:
    """``GET /v2``."""
    return Response(
        200, _encode({"name": "holdfast", "version": VERSION, "extensions": EXTENSIONS})
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
    about = describe(server, name, version)
    tensors = {
        kind: [shape._asdict() for shape in shapes]
        for kind, shapes in (("inputs", about.inputs), ("outputs", about.outputs))
    }
    return Response(200, _encode({**about._asdict(), **tensors}))


def model_ready(server: ModelServer, name: str, version: str | None) -> Response:
    """``GET /v2/models/{m}[/versions/{v}]/ready``.

    Raises:
        NotFoundError: when there is no such model or version.
    """
    ready = model_available(server, name, version)
    return Response(200 if ready else 503, _encode({"name": name, "ready": ready}))
