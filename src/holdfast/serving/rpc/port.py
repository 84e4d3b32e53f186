"""The Open Inference Protocol over gRPC, on a port of its own.

Everything runs in the server's event loop, like a request over HTTP; only the wire differs. The
methods are declared as taking a stream of requests, which looks the same on the wire, so that
tokens and the cap on requests in flight are checked before a message is read, and reading it has a
deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from holdfast.errors import NotFoundError, RequestError, UsageError
from holdfast.serving.about import VERSION
from holdfast.serving.app import Application
from holdfast.serving.inference import EXTENSIONS, describe, model_ready
from holdfast.serving.payload import respond
from holdfast.serving.problems import from_error, problem
from holdfast.serving.requests import Caller, Response
from holdfast.serving.rpc.messages import read_request, write_metadata, write_response
from holdfast.serving.rpc.protocol import SERVICE, DecodeError, message
from holdfast.serving.server import ModelServer

Handler = Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]

_InferRequest = message("ModelInferRequest")
_CLOSED_BY_CALLER = 499
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_QUIET = 0.1
_LONGEST_REFUSAL = 2.0
_PUSHBACK = ("grpc-retry-pushback-ms", "1000")


class GrpcPort:
    """See the module.

    Args:
        app: for tokens, bounds and counts, which are those of HTTP.
        server: what answers.
        address: host and port; several processes may listen on the same.
    """

    def __init__(self, app: Application, server: ModelServer, address: str) -> None:
        self._app = app
        self._server = server
        self.address = address
        self._closing = False
        self._calls = 0
        self._grpc = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", server.limits.body),
            )
        )
        self._grpc.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, self._methods()),)
        )

    async def start(self) -> None:
        """Listens.

        Raises:
            UsageError: when the address cannot be had.
        """
        try:
            port = self._grpc.add_insecure_port(self.address)
        except RuntimeError:
            await self._grpc.stop(None)
            raise UsageError(
                "serve.address", f"cannot listen on {self.address}", "Choose another port."
            ) from None
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        await self._grpc.start()

    async def stop(self, seconds: float) -> None:
        """Refuses new calls and lets those under way finish, for so many seconds at most.

        gRPC's own stop cancels the calls that wait unread, and callers do not repeat what was
        cancelled. So each is first told to go elsewhere, until no more come.
        """
        self._closing = True
        seen = -1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, _LONGEST_REFUSAL)):
                while seen != self._calls:
                    seen = self._calls
                    await asyncio.sleep(_QUIET)
        await self._grpc.stop(seconds)

    def _methods(self) -> dict[str, Any]:
        about = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
        }
        # Only what tells of a model's columns has to load one that sleeps.
        handlers = {
            name: self._asked(name, answer, _model if name == "ModelMetadata" else _no_model)
            for name, answer in about.items()
        }
        handlers["ModelInfer"] = self._infer
        return {
            name: grpc.stream_unary_rpc_method_handler(handler)
            for name, handler in handlers.items()
        }

    def _asked(
        self, name: str, answer: Callable[[Any], Any], name_of: Callable[[Any], str]
    ) -> Handler:
        """A method that only tells of the server and its models."""
        kind = message(f"{name}Request")
        open_to_all = name in ("ServerLive", "ServerReady")

        async def handle(messages: AsyncIterator[bytes], context: Any) -> bytes:
            if not open_to_all and not self._app.allows(_headers(context)):
                response = problem("grpc", 401, "a bearer token is needed")
            else:
                try:
                    request = _decode(kind, await self._read(messages))
                    response = await self._server.held(
                        name_of(request), lambda: _told(answer, request)
                    )
                except Exception as error:  # noqa: BLE001 (whatever it is, nothing of ours leaks)
                    response = from_error("grpc", error)
            return await _end(context, response)

        return handle

    def _server_live(self, _: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    def _server_ready(self, _: Any) -> Any:
        return message("ServerReadyResponse")(ready=self._server.ready)

    def _model_ready(self, request: Any) -> Any:
        try:
            ready = model_ready(self._server, request.name, request.version or None)
        except NotFoundError:
            ready = False
        return message("ModelReadyResponse")(ready=ready)

    def _server_metadata(self, _: Any) -> Any:
        return message("ServerMetadataResponse")(
            name="holdfast", version=VERSION, extensions=EXTENSIONS
        )

    def _model_metadata(self, request: Any) -> Any:
        return write_metadata(describe(self._server, request.name, request.version or None))

    async def _infer(self, messages: AsyncIterator[bytes], context: Any) -> bytes:
        started = time.perf_counter()
        self._calls += 1
        if self._closing:
            return await _end(context, problem("grpc", 503, "this server takes no traffic now"))
        caller = Caller(_headers(context))
        if not self._app.allows(caller.headers):
            return await _end(context, problem("grpc", 401, "a bearer token is needed"))
        try:
            response = await self._app.score("grpc", self._answer(messages, context, caller))
        except asyncio.CancelledError:  # by the caller, or by his deadline
            seconds = time.perf_counter() - started
            self._server.metrics.request("", 0, "grpc", _CLOSED_BY_CALLER, seconds)
            raise
        return await _end(context, response)

    async def _answer(
        self, messages: AsyncIterator[bytes], context: Any, caller: Caller
    ) -> Response:
        server = self._server
        server.admission.room()  # before a message is read: they may be large
        body = await self._read(messages)
        server.admission.admit(caller, None)
        try:
            return await self._decoded(body, context, caller)
        finally:
            server.admission.leave()

    async def _decoded(self, body: bytes, context: Any, caller: Caller) -> Response:
        server = self._server
        given = await server.parse(len(body), lambda: _decode(_InferRequest, body))
        return await server.held(
            given.model_name, lambda: self._scored(given, len(body), context, caller)
        )

    async def _scored(self, given: Any, size: int, context: Any, caller: Caller) -> Response:
        server = self._server
        live = server.pick(given.model_name)
        loaded = server.version(live, given.model_version) if given.model_version else None
        converter = live.converter if loaded is None else loaded.converter
        asked = await server.parse(size, lambda: read_request(given, converter))
        remaining = context.time_remaining()
        if remaining is not None and remaining <= 0.0:
            raise RequestError("request.deadline", "the deadline passed", "", 504)
        answer = await server.answer(live, asked.rows, caller, loaded)
        return respond(answer, caller, write_response(answer, asked))

    async def _read(self, messages: AsyncIterator[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._server.limits.body_seconds):
                return await anext(messages)
        except TimeoutError:
            raise RequestError(
                "request.slow_body", "the body took too long to arrive", "Send it faster", 408
            ) from None
        except StopAsyncIteration:
            raise RequestError(
                "request.cut_off", "the body did not arrive whole", "Send it again"
            ) from None


def _model(request: Any) -> str:
    return str(request.name)


def _no_model(_: Any) -> str:
    return ""


async def _told(answer: Callable[[Any], Any], request: Any) -> Response:
    return Response(200, answer(request).SerializeToString())


def _decode(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise RequestError(
            "request.malformed", "the message is malformed", "See the protocol's definition"
        ) from None


def _headers(context: Any) -> dict[bytes, bytes]:
    return {
        key.encode("latin-1"): value if isinstance(value, bytes) else value.encode("latin-1")
        for key, value in context.invocation_metadata() or ()
    }


def _trailer(response: Response) -> tuple[tuple[str, str], ...]:
    pairs = tuple((key.decode(), value.decode("latin-1")) for key, value in response.headers)
    return (*pairs, _PUSHBACK) if response.status == 503 else pairs


async def _end(context: Any, response: Response) -> bytes:
    """Sends the status and what goes with it; raises unless it is fine."""
    if response.status == 200:
        context.set_trailing_metadata(_trailer(response))
    else:
        code = _CODES.get(response.status, grpc.StatusCode.UNKNOWN)
        await context.abort(code, response.body.decode(), _trailer(response))
    return response.body
