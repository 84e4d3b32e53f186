"""One HTTP request and one answer, without a framework."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from holdfast.errors import RequestError
from holdfast.serving.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_SANE_KEY = 200
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


class Response(NamedTuple):
    """Status, body and headers of an answer; ``model`` and ``version`` label its metrics."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    model: str = ""
    version: int = 0

    async def send(self, send: Send, *, close: bool = False) -> None:
        """Sends it; ``close`` asks for the end of the connection."""
        headers = [
            (b"content-type", self.kind),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
        ]
        if close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def raw(self, more: bytes = b"") -> bytes:
        """As HTTP/1.1 has it, behind ``more`` lines of headers."""
        return b"HTTP/1.1 %d %b\r\n%b%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            self.status,
            _PHRASES[self.status],
            more,
            lines(self.headers),
            self.kind,
            len(self.body),
            self.body,
        )


def lines(headers: Headers) -> bytes:
    r"""Headers as HTTP/1.1 has them.

    >>> lines([(b"a", b"1")])
    b'a: 1\r\n'
    """
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


class Caller:
    """What a caller says of himself in headers, or in gRPC's metadata."""

    __slots__ = ("deadline", "headers")

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        self.headers = headers
        self.deadline = inf

    @property
    def caller_id(self) -> bytes | None:
        """The caller's X-Request-Id, when it is safe to repeat."""
        value = self.headers.get(b"x-request-id")
        return value if value is not None and _SANE_ID.fullmatch(value) else None

    @property
    def routing_key(self) -> str | None:
        """What the caller wants equal requests to be routed by."""
        value = self.headers.get(b"x-holdfast-routing-key")
        return value[:_SANE_KEY].decode("latin-1") if value else None


class Keep(Protocol):
    """Who answers for the memory of bodies: :class:`holdfast.serving.admission.Admission`."""

    def hold(self, size: int) -> None:
        """Takes it, or raises."""

    def release(self, size: int) -> None:
        """Gives it back."""


class Request(Caller):
    """What the contracts need of a request.

    Args:
        method: of HTTP.
        path: without a query.
        headers: with names in lower case.
        limits: bounds on the body.
        keep: told of large bodies, when given; call :meth:`close` in the end.
        query: after the question mark.
        body: when it is here whole.
        more: else, where it comes from.
    """

    __slots__ = ("_held", "_keep", "_limits", "_more", "_query", "_raw", "method", "path")

    def __init__(
        self,
        method: str,
        path: str,
        headers: Headers,
        limits: Limits,
        keep: Keep | None = None,
        *,
        query: bytes = b"",
        body: bytes | None = None,
        more: Receive | None = None,
    ) -> None:
        super().__init__(dict(headers))
        self.method = method
        self.path = path
        self._query = query
        self._more = more
        self._limits = limits
        self._keep = keep
        self._held = 0
        self._raw = body

    @classmethod
    def of(
        cls, scope: Scope, receive: Receive, limits: Limits, keep: Keep | None = None
    ) -> Request:
        """One of ASGI."""
        return cls(
            scope["method"], scope["path"], scope["headers"], limits, keep,
            query=scope["query_string"], more=receive,
        )  # fmt: skip

    def close(self) -> None:
        """Lets go of the body."""
        if self._keep is not None and self._held:
            self._keep.release(self._held)
            self._held = 0

    def _hold(self, size: int) -> None:
        if self._keep is not None:
            self._keep.hold(size)
            self._held += size

    def query(self, name: str) -> str | None:
        """The last value of a query parameter."""
        if not self._query:
            return None
        return dict(parse_qsl(self._query.decode("latin-1"))).get(name)

    def text(self, name: bytes) -> str | None:
        """A header as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def media_type(self) -> bytes:
        """Content type without parameters; empty when there is none."""
        value = self.headers.get(b"content-type", b"")
        return value if value == JSON else value.partition(b";")[0].strip().lower()

    async def body(self) -> bytes:
        """The whole body, with its Content-Encoding undone.

        Raises:
            RequestError: when it is too large, cut off or badly encoded.
            UnavailableError: when there is no memory for it now.
        """
        if self._raw is None:
            await self.receive()
        body, encoding = self._raw or b"", self.headers.get(b"content-encoding")
        if encoding is None or encoding == b"identity":
            return body
        # A small body may hold a thousand times its size: that is unpacked beside the others.
        work = partial(unpack, body, encoding.strip().lower(), self._limits.unpacked)
        unpacked = await asyncio.get_running_loop().run_in_executor(None, work)
        self._hold(len(unpacked))
        return unpacked

    async def receive(self) -> None:
        """Waits for the body; how long that may take is up to the connection.

        Raises:
            RequestError: as :meth:`body`.
            UnavailableError: as :meth:`body`.
        """
        if self._raw is not None or self._more is None:
            return
        limit = self._limits.body
        length = self.headers.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length) > limit):
            raise too_large(limit)
        message = await self._more()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.disconnect":
            raise _cut_off()
        if message.get("more_body", False):
            body = await self._rest(self._more, body, limit)
        if len(body) > limit:
            raise too_large(limit)
        self._raw = body

    async def _rest(self, receive: Receive, first: bytes, limit: int) -> bytes:
        parts, size, more = [first], len(first), True
        self._hold(size)
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _cut_off()
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            self._hold(len(part))
            more = message.get("more_body", False)
        return b"".join(parts)


def too_large(limit: int) -> RequestError:
    """The error of a body above ``limit`` bytes."""
    return RequestError(
        "request.too_large", f"the body has more than {limit} bytes", "Send fewer rows", 413
    )


def _cut_off() -> RequestError:
    return RequestError("request.cut_off", "the body did not arrive whole", "Send it again")


def unpack(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Undoes gzip or deflate (with zlib's header or, as some clients send it, without)."""
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        raise RequestError(
            "request.encoding", "this Content-Encoding is not known", "Use gzip or deflate", 415
        )
    for window in (31,) if encoding.endswith(b"gzip") else (15, -15):
        unpacker = zlib.decompressobj(window)
        try:
            data = unpacker.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(data) > limit:
            raise too_large(limit)
        if unpacker.eof and not unpacker.unused_data:
            return data
    raise RequestError(
        "request.encoding", "the body is not what its Content-Encoding says", "Pack it again"
    )
