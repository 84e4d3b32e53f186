"""KServe's V1 contract, with what OpenAI's clients read from the same paths."""

from __future__ import annotations

import msgspec

from holdfast.errors import NotFoundError, RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.payload import (
    check_media_type,
    predictions,
    read_inputs,
    read_instances,
    read_object,
    respond,
)
from holdfast.serving.requests import Request, Response
from holdfast.serving.server import ModelServer

PREFIX = "/v1/models/"
PREDICT = ":predict"


async def predict(server: ModelServer, request: Request) -> Response:
    """``POST /v1/models/{m}:predict``.

    Raises:
        HoldfastError: when the rows cannot be answered.
    """
    check_media_type(request)
    live = server.pick(request.path[len(PREFIX) : -len(PREDICT)])
    body = await request.body()
    rows = await server.parse(len(body), lambda: read_rows(body, live.converter))
    answer = await server.answer(live, rows, request)
    return respond(answer, request, predictions(answer))


def read_rows(body: bytes, converter: Converter) -> Rows:
    """Rows of ``{"instances": …}`` or ``{"inputs": …}``.

    Raises:
        RequestError: when there is not exactly one, or a cell is wrong.
    """
    given = read_object(body)
    if given.keys() == {"instances"}:
        return read_instances(given["instances"], converter)
    if given.keys() == {"inputs"}:
        return read_inputs(given["inputs"], converter)
    raise RequestError(
        "request.wrong_form", "the body must have instances or inputs, and no more", "See /docs"
    )


def models(server: ModelServer) -> Response:
    """``GET /v1/models``."""
    names = server.routes.models
    data = [_model(server, name) for name in names]
    return Response(200, msgspec.json.encode({"object": "list", "data": data, "models": names}))


def model(server: ModelServer, name: str) -> Response:
    """``GET /v1/models/{m}``; 503 while it is not to be used.

    Raises:
        NotFoundError: when there is no such model.
    """
    if name not in server.routes.uses:
        raise NotFoundError("request.no_model", "there is no such model here", "")
    body = msgspec.json.encode({"name": name, "ready": server.ready, **_model(server, name)})
    return Response(200 if server.ready else 503, body)


def _model(server: ModelServer, name: str) -> dict[str, str | int]:
    route = server.routes.orders(name)
    return {
        "id": name,
        "object": "model",
        "created": int(route.created_at.timestamp()),
        "owned_by": "holdfast",
    }
