"""What SageMaker, Vertex AI and Azure ML ask of a container beyond ``/invocations`` and ``/ping``.

How they start one is in :mod:`holdfast.serving.platforms`.
"""

from __future__ import annotations

import os
import re
from typing import Any

import msgspec

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.invocations import (
    invocations,
    read_json,
    read_split,
    read_tolerant,
    refuse_params,
)
from holdfast.serving.media import Form
from holdfast.serving.payload import (
    check_media_type,
    predictions,
    read_instances,
    read_object,
    respond,
)
from holdfast.serving.problems import from_error, problem
from holdfast.serving.requests import Request, Response
from holdfast.serving.server import ModelServer

_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
_IDS = (b"x-request-id", b"x-ms-client-request-id")
_LONGEST_ID = 100
_BATCH_MEGABYTES = 100  # most that SageMaker lets be under way at once
_VISIBLE = re.compile(rb"[!-~]+")


async def sagemaker(
    server: ModelServer, request: Request, default: Form, name: str = ""
) -> Response:
    """``POST /invocations`` on SageMaker, whose proxy lets no header of ours through but one: it
    carries what labels are joined by.

    Raises:
        HoldfastError: when the rows cannot be answered.
    """
    response = await invocations(server, request, default, name)
    given = dict(response.headers)
    value = b"holdfast-prediction-id=%b,holdfast-version=%b" % (
        given[b"x-holdfast-prediction-id"],
        given[b"x-holdfast-version"],
    )
    return response._replace(headers=(*response.headers, (_ATTRIBUTES, value)))


def execution_parameters(server: ModelServer) -> Response:
    """``GET /execution-parameters``: how SageMaker's batch transform is to send its rows."""
    megabytes = max(1, server.limits.body // 2**20)
    parameters = {
        "MaxConcurrentTransforms": max(1, min(os.cpu_count() or 1, _BATCH_MEGABYTES // megabytes)),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": megabytes,
    }
    return Response(200, msgspec.json.encode(parameters))


def vertex_health(server: ModelServer) -> Response:
    """Vertex AI's health route: 200 when there should be traffic, else 503."""
    if server.ready:
        return Response(200, b"{}")
    return problem("vertex", 503, "this server takes no traffic now")


async def vertex(server: ModelServer, request: Request) -> Response:
    """Vertex AI's predict route.

    Raises:
        HoldfastError: when the rows cannot be answered.
    """
    check_media_type(request)
    live = server.pick(request.query("model"))
    body = await request.body()
    rows = await server.parse(len(body), lambda: read_vertex(body, live.converter))
    answer = await server.answer(live, rows, request)
    return respond(answer, request, predictions(answer))


def read_vertex(body: bytes, converter: Converter) -> Rows:
    """Rows of ``{"instances": […], "parameters": {}}``.

    Raises:
        RequestError: when there are no instances, or any parameters, or a cell is wrong.
    """
    given = read_object(body)
    if "instances" not in given or given.keys() - {"instances", "parameters"}:
        raise RequestError(
            "request.wrong_form", "the body must have instances, and no more", "See /docs"
        )
    refuse_params(given.get("parameters"))
    return read_instances(given["instances"], converter)


async def azure(server: ModelServer, request: Request) -> Response:
    """``POST /score``: rows as Azure ML sends them, with its two ids on every answer."""
    if any(len(request.headers.get(name, b"")) > _LONGEST_ID for name in _IDS):
        return problem("azure", 431, f"request ids must have at most {_LONGEST_ID} characters")
    try:
        response = await _score(server, request)
    except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON with his ids)
        response = from_error("azure", error)
    given = dict(response.headers)
    ids = {_IDS[0]: given.get(b"x-holdfast-prediction-id", b"")}
    ids |= {
        name: value for name in _IDS if _VISIBLE.fullmatch(value := request.headers.get(name, b""))
    }
    kept = [pair for pair in response.headers if pair[0] not in _IDS]
    return response._replace(headers=(*kept, *(pair for pair in ids.items() if pair[1])))


async def _score(server: ModelServer, request: Request) -> Response:
    check_media_type(request)
    live = server.pick(request.text(b"x-holdfast-model") or request.query("model"))
    body = await request.body()
    rows = await server.parse(len(body), lambda: read_azure(body, live.converter))
    answer = await server.answer(live, rows, request)
    return respond(answer, request, predictions(answer))


def read_azure(body: bytes, converter: Converter) -> Rows:
    """Rows of ``{"input_data": …}``, as Azure ML writes them for MLflow's models, of
    ``{"data": […]}``, as its samples do, or of one of MLflow's own forms.

    Raises:
        RequestError: when there is not exactly one of them, or a cell is wrong.
    """
    given = read_tolerant(body)
    name = next((name for name in ("input_data", "data") if name in given), None)
    if name is None:
        return read_json(body, converter)
    if given.keys() - {name, "params"}:
        raise RequestError(
            "request.wrong_form", "the body must have input_data, and no more", "See /docs"
        )
    refuse_params(given.get("params"))
    data: Any = given[name]
    if name == "input_data" and type(data) is dict:
        return read_split(data, converter)
    return read_instances(data, converter)
