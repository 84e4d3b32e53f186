"""HTTP/1.1 as uvicorn speaks it, with the bounds that uvicorn leaves to a proxy.

A head may take so long and be so large; a body must keep coming; an idle connection is closed; so
is one that leaves its answers unread. What is no HTTP, or could be read as two different requests,
is refused with a JSON error. Upgrades are not made: the request is answered as it stands.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from enum import Enum, auto
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from holdfast.serving.connections import Connections
from holdfast.serving.problems import contract_of, problem
from holdfast.serving.together import Together

ARRIVED = "holdfast.arrived"
_LINGER = 2.0
_TCP_INFO = getattr(socket, "TCP_INFO", -1)
_SINCE = slice(52, 56)  # tcpi_last_data_recv, milliseconds
_POLLED = 0.02
_PROMPT = 0.01


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    LAST = auto()  # idle for too long: what has already arrived is still read
    CLOSED = auto()


class RefusedError(Exception):
    """Raised within the parser's callbacks."""

    def __init__(self, status: int, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.answer = status, sentence, reason


_CLOSE = b"connection: close\r\n"
_MALFORMED = RefusedError(400, "this is not valid HTTP", "malformed")


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        bounds: shared by all connections.
        config: of uvicorn, as what follows it.
    """

    def __init__(self, bounds: Connections, config: uvicorn.Config, **given: Any) -> None:
        super().__init__(config=config, **given)
        self.url = b""
        self._bounds = bounds
        self._phase = self._watched = Phase.IDLE
        self._chunk = self._head_bytes = 0
        self._socket: Any = None
        self._rested = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes it, if need be by ending one that does nothing."""
        self._together = Together(transport, asyncio.get_running_loop())
        super().connection_made(self._together)
        self._socket = transport.get_extra_info("socket")
        crowded = len(self.connections) > self._bounds.most
        if crowded and not self._bounds.make_room():
            self._refuse(503, "too many connections are open", "crowded")
        else:
            self._bounds.watch(self, self._bounds.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        self._phase = Phase.CLOSED
        self._bounds.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser."""
        if self._phase is Phase.CLOSED:
            return
        self._chunk = len(data)
        self._head_bytes += self._chunk
        try:
            self._feed(data)
            if self._phase is Phase.HEAD and self._head_bytes > self._bounds.limits.head:
                raise _too_large()
        except (httptools.HttpParserError, RefusedError) as error:
            cause = error if isinstance(error, RefusedError) else error.__context__
            self._refuse(*(cause if isinstance(cause, RefusedError) else _MALFORMED).answer)
            return
        if self._phase is not self._watched:
            self._watch()

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as error:
                # The parser has skipped the body: the request is read again without its wish.
                data = self._without_upgrade() + data[error.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            else:
                return

    def _without_upgrade(self) -> bytes:
        kept = [pair for pair in self.headers if pair[0] not in (b"connection", b"upgrade")]
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [name + b": " + value for name, value in kept]
        return b"\r\n".join([*lines, b"", b""])

    def _watch(self) -> None:
        """Once for each stretch of bytes: a request that came whole costs no deadline."""
        self._watched = self._phase
        if self._phase is Phase.ANSWER:
            if not self.flow.write_paused:
                self._bounds.forget(self)
        elif self._phase is Phase.HEAD:
            self._bounds.watch(self, self._bounds.limits.head_seconds)
        elif self._phase is Phase.BODY:
            self._bounds.watch(self, self._bounds.limits.body_seconds)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._begin_head()

    def _begin_head(self) -> None:
        self._phase = Phase.HEAD
        self._watched = Phase.IDLE
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Checks the head; then the application gets the request."""
        if self._check_head():
            super().on_headers_complete()
            self._phase = Phase.BODY
            if self._bounds.draining:
                self.cycle.keep_alive = False

    def _check_head(self) -> bool:
        """False when the request has to be read again without its wish for an upgrade."""
        limits = self._bounds.limits
        if len(self.headers) > limits.headers:
            raise RefusedError(431, "the request has too many headers", "head")
        if self._head_bytes + self._chunk > limits.head and self._head_size() > limits.head:
            raise _too_large()
        if len(self.pipeline) >= limits.pipelined:
            raise RefusedError(400, "too many requests wait on this connection", "pipelined")
        if not self.parser.should_upgrade():
            return True
        if self.parser.get_method() == b"CONNECT":
            raise _MALFORMED
        return False

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.scope[ARRIVED] = self._arrived()  # type: ignore[literal-required]
        self.cycle.more_body = False
        if self.cycle.response_complete:
            self._rest()
        else:
            self._phase = Phase.ANSWER

    def _arrived(self) -> float:
        """When the kernel got the last byte: under load the queue is in its buffers.

        That is asked only where the request may have waited there: not if it came right after the
        last answer.
        """
        now = time.monotonic()
        if now - self._rested < _PROMPT:
            return now
        try:
            info: bytes = self._socket.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SINCE.stop)
        except OSError:
            return now
        return now - int.from_bytes(info[_SINCE], sys.byteorder) / 1000

    def on_response_complete(self) -> None:
        """The whole answer was handed to the socket."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._close_by(self._bounds.limits.write_seconds)
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._phase is Phase.CLOSED:
            self._close_by(_LINGER)
        elif self._phase is Phase.BODY:
            # Nobody wants the rest of this body; it may come for a while, so that its sender
            # gets to read the answer instead of a broken connection.
            self._bounds.watch(self, _LINGER)
        elif self._phase is not Phase.HEAD:
            self._rest()

    def _rest(self) -> None:
        limits = self._bounds.limits
        self._phase = self._watched = Phase.IDLE
        paused = self.flow.write_paused
        seconds = limits.write_seconds if paused else limits.keep_alive_seconds
        self._rested = self._bounds.watch(self, seconds)

    def pause_writing(self) -> None:
        """The caller does not read what he asked for."""
        super().pause_writing()
        self._bounds.watch(self, self._bounds.limits.write_seconds)

    def resume_writing(self) -> None:
        """He does again."""
        paused = self.flow.write_paused
        super().resume_writing()
        if paused and self._phase is Phase.IDLE:
            self._rest()
        elif paused and self._phase is Phase.ANSWER:
            self._bounds.forget(self)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A caller that has said all still gets his answer."""
        if self.cycle is None or self.cycle.response_complete or self._phase is Phase.BODY:
            return False
        self.cycle.keep_alive = False
        return True

    def shutdown(self) -> None:
        """Told by uvicorn to come to an end: an idle connection may send one more request."""
        self._bounds.draining = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._phase is Phase.IDLE:
            self._bounds.watch(self, self._bounds.last_call)

    def expire(self) -> None:
        """Told by :class:`Connections` that time is over."""
        if self.flow.write_paused:
            self._bounds.refused("slow_reader")
            self.transport.abort()
        elif self._phase in (Phase.CLOSED, Phase.ANSWER) or self.transport.is_closing():
            self.transport.abort()
        elif self._phase is Phase.HEAD and (self.cycle is None or self.cycle.response_complete):
            self._refuse(408, "the head took too long to arrive", "slow_head")
        elif self._phase is Phase.BODY and not self.cycle.response_started:
            self._refuse(408, "the body took too long to arrive", "slow_body")
        elif self._phase is Phase.IDLE:
            # On a busy server a request may be waiting in the socket: one look before it closes.
            self._phase = Phase.LAST
            self.loop.call_later(_POLLED, self._close_idle)
        else:
            self._close_by(_LINGER)

    def _close_idle(self) -> None:
        if self._phase is Phase.LAST:
            self._close_by(_LINGER)

    def _close_by(self, seconds: float) -> None:
        self._phase = Phase.CLOSED
        self.transport.close()
        self._bounds.watch(self, seconds)

    def _refuse(self, status: int, sentence: str, reason: str) -> None:
        """Answers in the parser's stead, and ends the connection once the caller could read it."""
        self._bounds.refused(reason)
        phase, self._phase = self._phase, Phase.CLOSED
        self._bounds.watch(self, _LINGER)
        if phase is Phase.BODY and self.pipeline:
            self.pipeline.popleft()
        elif phase is Phase.BODY and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if not self.cycle.response_started:
                self._end_with(status, sentence)
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # What came before is answered first; then nobody listens any more.
            self._bounds.watch(self, self._bounds.limits.write_seconds)
            return
        self._end_with(status, sentence)

    def _end_with(self, status: int, sentence: str) -> None:
        if self.transport.is_closing():
            return
        path = self.url.partition(b"?")[0].decode("latin-1")
        self.transport.write(problem(contract_of(path), status, sentence).raw(_CLOSE))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()


def _too_large() -> RefusedError:
    return RefusedError(431, "the head of the request is too large", "head")
