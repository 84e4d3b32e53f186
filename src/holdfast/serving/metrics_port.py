"""``/metrics`` and administration on a port of their own, with the bounds of every other port."""

from __future__ import annotations

import asyncio
import socket
import threading

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from holdfast.errors import HoldfastError, UsageError
from holdfast.serving.connections import Connections
from holdfast.serving.http import http_config
from holdfast.serving.limits import Limits
from holdfast.serving.problems import from_error, problem
from holdfast.serving.repository import LARGEST, PREFIX, Repository
from holdfast.serving.requests import Receive, Request, Response, Scope, Send

_LIMITS = Limits(
    connections=64, keep_alive_seconds=75.0, body_seconds=5.0, body=LARGEST, unpacked=LARGEST
)


class MetricsPort:
    """Answers in a thread and an event loop of its own, so that a busy server is still seen.

    Args:
        registry: what to show.
        host: address to listen on.
        port: 0 for any free one.
        admin: answers the paths that begin with its prefix.

    Raises:
        UsageError: when the address cannot be had.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        host: str,
        port: int,
        admin: Repository | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listening = socket.create_server((host, port), family=family)
        except OSError as error:
            raise UsageError(
                "serve.address",
                f"cannot listen on {host}:{port} for metrics: {error.strerror}",
                "Stop what listens there, or choose another with --metrics-port (0: a free one).",
            ) from None
        self._registry = registry
        self._admin = admin
        self._connections = Connections(_LIMITS, most=_LIMITS.connections, last_call=0.0)
        self._server = uvicorn.Server(http_config(self._answer, self._connections, grace=1))
        self._thread = threading.Thread(target=self._run, name="holdfast-metrics", daemon=True)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._listening.getsockname()[1]}/metrics"
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        with self._listening:
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        sweeping = asyncio.create_task(self._connections.sweep())
        await self._server.serve(sockets=[self._listening])
        sweeping.cancel()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if self._admin is not None and path.startswith(PREFIX):
            response = await self._order(self._admin, Request.of(scope, receive, _LIMITS))
        elif path != "/metrics":
            response = problem("other", 404, "there is nothing here; try /metrics")
        elif scope["method"] not in ("GET", "HEAD"):
            response = problem("other", 405, "this method is not allowed here")
        else:
            accepted = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
            encode, kind = choose_encoder(accepted)
            response = Response(200, encode(self._registry), kind.encode())
        await response.send(send)

    async def _order(self, admin: Repository, request: Request) -> Response:
        try:
            body = await request.body()
        except HoldfastError as error:
            return from_error("other", error)
        token = request.headers.get(b"authorization", b"")
        reply = await asyncio.to_thread(admin.answer, request.method, request.path, token, body)
        headers = ((b"www-authenticate", b"Bearer"),) if reply.status == 401 else ()
        encoded = msgspec.json.encode({} if reply.body is None else reply.body)
        return Response(reply.status, encoded, headers=headers)
