"""The ASGI application: scoring handlers first, FastAPI behind them for the documentation.

The hot path is one look at the path, one handler and one answer; it pays for neither a router nor
a framework's request object.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastapi import FastAPI

from holdfast.errors import HoldfastError
from holdfast.serving import invocations, v1, v2
from holdfast.serving.admission import HEADER
from holdfast.serving.docs import create_docs
from holdfast.serving.problems import Contract, contract_of, from_error, problem
from holdfast.serving.protocol import ARRIVED
from holdfast.serving.requests import Receive, Request, Response, Scope, Send
from holdfast.serving.server import ModelServer

_READ = ("GET", "HEAD")
_OPEN = frozenset({"/", "/ping", "/health", "/v2/health/live", "/v2/health/ready"})
_ALIVE = Response(200, b'{"status":"alive"}')


class Target(NamedTuple):
    """What a path means: one of ``answer`` (a GET) and ``score`` (a POST)."""

    contract: Contract
    methods: tuple[str, ...]
    answer: Callable[[], Response] | None = None
    name: str = ""
    version: str | None = None


def create_app(server: ModelServer, *, tokens: Sequence[str] = ()) -> Application:
    """The data plane as one ASGI application.

    Args:
        server: what answers.
        tokens: SHA-256 hex digests of the bearer tokens that may score; empty: everybody may.
    """
    return Application(server, create_docs(server), tokens)


class Application:
    """See :func:`create_app`."""

    def __init__(self, server: ModelServer, docs: FastAPI, tokens: Sequence[str]) -> None:
        self._server = server
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
            contract = target.contract if target else contract_of(path)
            response = problem(contract, 401, "a bearer token is needed")
        elif target is None:
            await self._docs(scope, receive, send)
            return
        elif scope["method"] not in target.methods:
            response = problem(target.contract, 405, "this method is not allowed here")
            allow = ", ".join(target.methods).encode()
            response = response._replace(headers=((b"allow", allow),))
        elif target.answer is not None:
            response = _try(target.contract, target.answer)
            if scope["method"] == "HEAD":
                response = response._replace(body=b"")
        else:
            response = await self._score(target, scope, receive)
        await response.send(send, close=self._server.draining)

    async def _score(self, target: Target, scope: Scope, receive: Receive) -> Response:
        server = self._server
        started = time.perf_counter()
        request = Request(scope, receive, server.limits, server.admission)
        try:
            await request.receive()
            response = await self._admit(target, request)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
            response = from_error(target.contract, error)
        finally:
            request.close()
        server.metrics.request(
            response.model,
            response.version,
            target.contract,
            response.status,
            time.perf_counter() - started,
        )
        return response

    async def _admit(self, target: Target, request: Request) -> Response:
        """Only a request that is here whole takes a place: slow callers keep none from others."""
        admission = self._server.admission
        admission.enter()
        try:
            arrived = request.scope.get(ARRIVED)
            request.deadline = admission.deadline(
                time.monotonic() if arrived is None else arrived, request.headers.get(HEADER)
            )
            admission.check(request.deadline)
            return await self._handle(target, request)
        finally:
            admission.leave()

    async def _handle(self, target: Target, request: Request) -> Response:
        if target.contract == "mlflow":
            return await invocations.invocations(self._server, request)
        if target.contract == "v1":
            return await v1.predict(self._server, request)
        return await v2.infer(self._server, request, target.name, target.version)

    def _find(self, path: str) -> Target | None:
        """Paths that name a model."""
        if path.startswith(v1.PREFIX):
            return self._find_v1(path[len(v1.PREFIX) :])
        if path.startswith(v2.PREFIX):
            return self._find_v2(path[len(v2.PREFIX) :].split("/"))
        if contract_of(path) != "other":
            return _nothing(contract_of(path))
        return None

    def _find_v1(self, rest: str) -> Target:
        if "/" in rest or not rest:
            return _nothing("v1")
        if rest.endswith(v1.PREDICT):
            return Target("v1", ("POST",))
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
            return Target("v2", _READ, lambda: v2.model_metadata(server, name, version))
        return _nothing("v2")

    def _allowed(self, scope: Scope) -> bool:
        value: bytes = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, token = value.partition(b" ")
        given = hashlib.sha256(token.strip()).hexdigest().encode()
        fits = [hmac.compare_digest(given, known) for known in self._tokens]
        return kind.lower() == b"bearer" and any(fits)


def _nothing(contract: Contract) -> Target:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return Target(contract, methods, lambda: problem(contract, 404, "there is nothing here"))


def _try(contract: Contract, answer: Callable[[], Response]) -> Response:
    try:
        return answer()
    except HoldfastError as error:
        return from_error(contract, error)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
