"""The ASGI application: scoring handlers first, FastAPI behind them for the documentation.

The hot path is one look at the path, one handler and one answer; it pays for neither a router nor
a framework's request object.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from fastapi import FastAPI

from holdfast.errors import HoldfastError
from holdfast.serving import invocations, v1, v2
from holdfast.serving.docs import create_docs
from holdfast.serving.problems import Contract, from_error, problem
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
        if path not in _OPEN and not self.allows(dict(scope["headers"])):
            contract = target.contract if target else _contract(path)
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
            request = Request(scope, receive, self._server.limits)
            response = await self.score(target.contract, lambda: self._handle(target, request))
        await response.send(send, close=self._server.draining or response.status in (408, 413))

    async def score(
        self, contract: Contract, handle: Callable[[], Awaitable[Response]]
    ) -> Response:
        """One scoring request of any contract: bounded, counted, and always answered.

        Args:
            contract: for the shape of errors and the metrics.
            handle: reads and answers it.
        """
        server = self._server
        started = time.perf_counter()
        if server.in_flight >= server.limits.in_flight:
            response = problem(contract, 503, "too many requests are being answered")
        else:
            server.in_flight += 1
            server.metrics.in_flight.inc()
            try:
                response = await handle()
            except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets JSON)
                response = from_error(contract, error)
            finally:
                server.in_flight -= 1
                server.metrics.in_flight.dec()
        server.metrics.request(
            response.model,
            response.version,
            contract,
            response.status,
            time.perf_counter() - started,
        )
        return response

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
        if _contract(path) != "other":
            return _nothing(_contract(path))
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

    def allows(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the caller has a token, or needs none."""
        if not self._tokens:
            return True
        value = headers.get(b"authorization", b"")
        kind, _, token = value.partition(b" ")
        given = hashlib.sha256(token.strip()).hexdigest().encode()
        fits = [hmac.compare_digest(given, known) for known in self._tokens]
        return kind.lower() == b"bearer" and any(fits)


def _contract(path: str) -> Contract:
    for prefix in ("v1", "v2"):
        if path == f"/{prefix}" or path.startswith(f"/{prefix}/"):
            return prefix
    return "other"


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
