"""The ASGI application: scoring handlers first, FastAPI behind them for the documentation.

The hot path is one look at the path, one handler and one answer; it pays for neither a router nor
a framework's request object.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from holdfast.errors import HoldfastError
from holdfast.serving.direct import BEGUN
from holdfast.serving.docs import create_docs
from holdfast.serving.invocations import named
from holdfast.serving.multimodel import MultiModel
from holdfast.serving.paths import READ, Paths, Score, Target
from holdfast.serving.platforms import Platform
from holdfast.serving.problems import Contract, contract_of, from_error, problem
from holdfast.serving.protocol import ARRIVED
from holdfast.serving.requests import Headers, Receive, Request, Response, Scope, Send
from holdfast.serving.server import ModelServer
from holdfast.serving.tokens import allowed


def create_app(
    server: ModelServer,
    *,
    tokens: Sequence[str] = (),
    platform: Platform | None = None,
    multi: MultiModel | None = None,
) -> Application:
    """The data plane as one ASGI application.

    Args:
        server: what answers.
        tokens: SHA-256 hex digests of the bearer tokens that may score; empty: everybody may.
        platform: whose paths are answered beside those of every contract.
        multi: lets a platform add and remove models.
    """
    platform = platform or Platform()
    paths = Paths(server, platform, multi)
    return Application(server, paths, create_docs(server, platform), tokens)


class Application:
    """See :func:`create_app`."""

    def __init__(
        self, server: ModelServer, paths: Paths, docs: FastAPI, tokens: Sequence[str]
    ) -> None:
        self._server = server
        self._paths = paths
        self._docs = docs
        self._tokens = tuple(token.encode() for token in tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = scope.get(BEGUN)
        if begun is not None:
            await (await begun).send(send, close=self._server.draining)
            return
        path: str = scope["path"]
        method: str = scope["method"]
        target = self._paths.find(path)
        if path not in self._paths.open and not self.allows(dict(scope["headers"])):
            contract = target.contract if target else contract_of(path)
            response = problem(contract, 401, "a bearer token is needed")
        elif target is None:
            await self._docs(scope, receive, send)
            return
        elif method not in target.methods:
            response = problem(target.contract, 405, "this method is not allowed here")
            allow = ", ".join(target.methods).encode()
            response = response._replace(headers=((b"allow", allow),))
        elif target.act is not None:
            request = Request.of(scope, receive, self._server.limits)
            response = await self._act(target.contract, target.act, request)
        elif target.answer is not None and (target.score is None or method in READ):
            response = await self._look(target, target.answer)
            if method == "HEAD":
                response = response._replace(body=b"")
        else:
            limits, keep = self._server.limits, self._server.admission
            request = Request.of(scope, receive, limits, keep)
            response = await self._score(target, request, scope.get(ARRIVED))
        await response.send(send, close=self._server.draining)

    async def _act(self, contract: Contract, act: Score, request: Request) -> Response:
        try:
            await request.receive()
            return await act(request)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
            return from_error(contract, error)

    async def _look(self, target: Target, answer: Callable[[], Response]) -> Response:
        """A GET; one that tells of a model's columns may have to load it first."""

        async def call() -> Response:
            return answer()

        try:
            return await (self._server.held(target.name, call) if target.name else call())
        except HoldfastError as error:
            return from_error(target.contract, error)

    def direct(
        self, url: bytes, headers: Headers, body: bytes, arrived: float
    ) -> Coroutine[Any, Any, Response] | None:
        """As of :class:`holdfast.serving.direct.Direct`: rows for a model that is in memory."""
        server = self._server
        target = self._paths.scoring(url)
        if target is None or len(body) > server.limits.body:
            return None
        request = Request("POST", url.decode(), headers, server.limits, server.admission, body=body)
        if not self.allows(request.headers):
            return None
        if server.routes.asleep and server.sleeps(target.name or named(request)):
            return None
        return self._score(target, request, arrived)

    async def _score(self, target: Target, request: Request, arrived: float | None) -> Response:
        """As :meth:`score` and :meth:`ModelServer.held` have it, in one piece: each coroutine
        more costs every request a microsecond.
        """
        assert target.score is not None
        server = self._server
        started = time.perf_counter()
        try:
            await request.receive()
            server.admission.admit(request, arrived)
            name = target.name or named(request)
            use = server.hold(name)
            try:
                if server.routes.asleep:
                    await server.awake(name)
                response = await target.score(request)
            finally:
                use.requests -= 1
                server.admission.leave()
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
            response = from_error(target.contract, error)
        finally:
            request.close()
        self._note(target.contract, response, started)
        return response

    async def score(self, contract: Contract, answer: Awaitable[Response]) -> Response:
        """One scoring request of any contract: counted, and always answered.

        Args:
            contract: for the shape of errors and the metrics.
            answer: reads it and answers.
        """
        started = time.perf_counter()
        try:
            response = await answer
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
            response = from_error(contract, error)
        self._note(contract, response, started)
        return response

    def _note(self, contract: Contract, response: Response, started: float) -> None:
        seconds = time.perf_counter() - started
        self._server.metrics.request(
            response.model, response.version, contract, response.status, seconds
        )

    def allows(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the caller has a token, or needs none."""
        return not self._tokens or allowed(headers.get(b"authorization", b""), self._tokens)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
