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
from holdfast.serving.router import LiveRoute
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
    live = server.routes.live
    data = [_model(live[name]) for name in sorted(live)]
    return Response(
        200, msgspec.json.encode({"object": "list", "data": data, "models": sorted(live)})
    )


def model(server: ModelServer, name: str) -> Response:
    """``GET /v1/models/{m}``; 503 while it is not to be used.

    Raises:
        NotFoundError: when there is no such model.
    """
    live = server.routes.live.get(name)
    if live is None:
        raise NotFoundError("request.no_model", "there is no such model here", "")
    body = msgspec.json.encode({"name": live.model, "ready": server.ready, **_model(live)})
    return Response(200 if server.ready else 503, body)


def _model(live: LiveRoute) -> dict[str, str | int]:
    return {
        "id": live.model,
        "object": "model",
        "created": live.champion.created,
        "owned_by": "holdfast",
    }
