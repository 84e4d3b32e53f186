"""SageMaker's multi-model contract: the platform adds and removes models of one container."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.serving.admin import Command, Reply, Run
from holdfast.serving.payload import read_object
from holdfast.serving.requests import Request, Response
from holdfast.serving.server import ModelServer

PATH = "/models"
INVOKE = "/invoke"


class MultiModel:
    """``POST`` and ``GET /models``, ``GET`` and ``DELETE /models/{name}``.

    Args:
        server: whose models they are.
        run: gives a command to every worker.
    """

    def __init__(self, server: ModelServer, run: Run) -> None:
        self._server = server
        self._run = run

    async def answer(self, request: Request) -> Response:
        """Answers a request.

        Raises:
            RequestError: when the body is not JSON.
        """
        name = request.path.removeprefix(PATH).strip("/")
        if not name:
            return await (self._add(request) if request.method == "POST" else self._list())
        if request.method == "DELETE":
            return _response(await self._run(Command(do="remove", model=name)))
        route = self._server.routes.find(name)
        if route is None:
            return _response(Reply(404, {"error": "there is no such model here"}))
        return _response(Reply(200, _entry(name, route.arms[0].path)))

    async def _add(self, request: Request) -> Response:
        given = read_object(await request.body())
        name, url = given.get("model_name"), given.get("url")
        if type(name) is not str or type(url) is not str or not _sane(name):
            return _response(Reply(400, {"error": "the body must have model_name and url"}))
        reply = await self._run(Command(do="add", model=name, path=url))
        if reply.status not in (200, 409):
            await self._run(Command(do="remove", model=name))  # from workers that had room for it
        return _response(reply)

    async def _list(self) -> Response:
        routes = self._server.routes
        entries = [_entry(name, routes.orders(name).arms[0].path) for name in routes.models]
        return _response(Reply(200, {"models": entries}))


def _entry(name: str, path: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": path}


def _sane(name: str) -> bool:
    return 0 < len(name) <= 256 and "/" not in name and name.isprintable()


def _response(reply: Reply) -> Response:
    body: Any = {} if reply.body is None else reply.body
    return Response(reply.status, msgspec.json.encode(body))
