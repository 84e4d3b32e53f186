"""The ASGI application: scoring handlers first, FastAPI behind them for the documentation.

The hot path is one look at the path, one handler and one answer; it pays for neither a router nor
a framework's request object.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from fastapi import FastAPI

from holdfast.errors import HoldfastError
from holdfast.serving import invocations, v1, v2
from holdfast.serving.docs import create_docs
from holdfast.serving.multimodel import INVOKE, PATH, MultiModel
from holdfast.serving.problems import Contract, from_error, problem
from holdfast.serving.requests import Receive, Request, Response, Scope, Send
from holdfast.serving.server import ModelServer
from holdfast.serving.tokens import allowed

_READ = ("GET", "HEAD")
_OPEN = frozenset({"/", "/ping", "/health", "/v2/health/live", "/v2/health/ready"})
_ALIVE = Response(200, b'{"status":"alive"}')


class Target(NamedTuple):
    """What a path means: ``answer`` (a GET), ``act`` (an order of a platform), or to score."""

    contract: Contract
    methods: tuple[str, ...]
    answer: Callable[[], Response] | None = None
    name: str = ""
    version: str | None = None
    act: Callable[[Request], Awaitable[Response]] | None = None


def create_app(
    server: ModelServer, *, tokens: Sequence[str] = (), multi: MultiModel | None = None
) -> Application:
    """The data plane as one ASGI application.

    Args:
        server: what answers.
        tokens: SHA-256 hex digests of the bearer tokens that may score; empty: everybody may.
        multi: lets a platform add and remove models.
    """
    return Application(server, create_docs(server), tokens, multi)


class Application:
    """See :func:`create_app`."""

    def __init__(
        self, server: ModelServer, docs: FastAPI, tokens: Sequence[str], multi: MultiModel | None
    ) -> None:
        self._server = server
        self._multi = multi
        self._docs = docs
        self._tokens = tuple(token.encode() for token in tokens)
        self._fixed: dict[str, Target] = {
            "/invocations": Target("mlflow", ("POST",)),
            "/ping": Target("mlflow", _READ, lambda: invocations.ping(server)),
            "/health": Target("mlflow", _READ, lambda: invocations.ping(server)),
            "/version": Target("mlflow", _READ, invocations.version),
            "/": Target("v1", _READ, lambda: _ALIVE),
            "/v1/models": Target("v1", _READ, lambda: v1.models(server)),
            "/v2": Target("v2", _READ, v2.server_metadata),
            "/v2/": Target("v2", _READ, v2.server_metadata),
            "/v2/health/live": Target("v2", _READ, lambda: v2.health(server, ready=False)),
            "/v2/health/ready": Target("v2", _READ, lambda: v2.health(server, ready=True)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        target = self._fixed.get(path) or self._find(path)
        if self._tokens and path not in _OPEN and not self._allowed(scope):
            contract = target.contract if target else _contract(path)
            response = problem(contract, 401, "a bearer token is needed")
        elif target is None:
            await self._docs(scope, receive, send)
            return
        elif scope["method"] not in target.methods:
            response = problem(target.contract, 405, "this method is not allowed here")
            allow = ", ".join(target.methods).encode()
            response = response._replace(headers=((b"allow", allow),))
        elif target.act is not None:
            response = await self._act(
                target, target.act, Request(scope, receive, self._server.limits)
            )
        elif target.answer is not None:
            response = await self._look(target, target.answer)
            if scope["method"] == "HEAD":
                response = response._replace(body=b"")
        else:
            response = await self._score(target, Request(scope, receive, self._server.limits))
        await response.send(send, close=self._server.draining or response.status in (408, 413))

    async def _act(
        self, target: Target, act: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        try:
            return await act(request)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
            return from_error(target.contract, error)

    async def _look(self, target: Target, answer: Callable[[], Response]) -> Response:
        """A GET; one that tells of a model's columns may have to load it first."""

        async def call() -> Response:
            return answer()

        try:
            return await (self._server.held(target.name, call) if target.name else call())
        except HoldfastError as error:
            return from_error(target.contract, error)

    async def _score(self, target: Target, request: Request) -> Response:
        server = self._server
        started = time.perf_counter()
        if server.in_flight >= server.limits.in_flight:
            response = problem(target.contract, 503, "too many requests are being answered")
        else:
            server.in_flight += 1
            server.metrics.in_flight.inc()
            try:
                response = await self._handle(target, request)
            except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
                response = from_error(target.contract, error)
            finally:
                server.in_flight -= 1
                server.metrics.in_flight.dec()
        server.metrics.request(
            response.model,
            response.version,
            target.contract,
            response.status,
            time.perf_counter() - started,
        )
        return response

    async def _handle(self, target: Target, request: Request) -> Response:
        name = target.name or invocations.named(request)
        return await self._server.held(name, lambda: self._contract(target, request))

    async def _contract(self, target: Target, request: Request) -> Response:
        if target.contract == "mlflow":
            return await invocations.invocations(self._server, request, target.name)
        if target.contract == "v1":
            return await v1.predict(self._server, request)
        return await v2.infer(self._server, request, target.name, target.version)

    def _find(self, path: str) -> Target | None:
        """Paths that name a model."""
        if path.startswith(v1.PREFIX):
            return self._find_v1(path[len(v1.PREFIX) :])
        if path.startswith(v2.PREFIX):
            return self._find_v2(path[len(v2.PREFIX) :].split("/"))
        if self._multi is not None and (path == PATH or path.startswith(f"{PATH}/")):
            if path.endswith(INVOKE):
                return Target("mlflow", ("POST",), None, path[len(PATH) + 1 : -len(INVOKE)])
            methods = ("GET", "POST") if path == PATH else ("GET", "DELETE")
            return Target("other", methods, act=self._multi.answer)
        if _contract(path) != "other":
            return _nothing(_contract(path))
        return None

    def _find_v1(self, rest: str) -> Target:
        if "/" in rest or not rest:
            return _nothing("v1")
        if rest.endswith(v1.PREDICT):
            return Target("v1", ("POST",), None, rest[: -len(v1.PREDICT)])
        return Target("v1", _READ, lambda: v1.model(self._server, rest))

    def _find_v2(self, parts: list[str]) -> Target:
        server, name, version = self._server, parts.pop(0), None
        if len(parts) >= 2 and parts[0] == "versions":
            version = parts[1]
            parts = parts[2:]
        if parts == ["infer"]:
            return Target("v2", ("POST",), None, name, version)
        if parts == ["ready"]:
            return Target("v2", _READ, lambda: v2.model_ready(server, name, version))
        if not parts and name:
            answer = lambda: v2.model_metadata(server, name, version)  # noqa: E731
            return Target("v2", _READ, answer, name)
        return _nothing("v2")

    def _allowed(self, scope: Scope) -> bool:
        return allowed(dict(scope["headers"]).get(b"authorization", b""), self._tokens)


def _contract(path: str) -> Contract:
    for prefix in ("v1", "v2"):
        if path == f"/{prefix}" or path.startswith(f"/{prefix}/"):
            return prefix
    return "other"


def _nothing(contract: Contract) -> Target:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return Target(contract, methods, lambda: problem(contract, 404, "there is nothing here"))


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
