"""Scoring without the detour by ASGI.

A request to be scored that comes whole and alone, as nearly all do, is answered in the same turn of
the event loop and in one write: no task, no messages of ASGI. What has to wait longer, and every
other request, goes through ASGI as uvicorn has it.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol

import httptools
import uvicorn

from holdfast.serving.begun import Begun, begin
from holdfast.serving.connections import Connections
from holdfast.serving.protocol import HttpProtocol, Phase, RefusedError
from holdfast.serving.requests import Headers, Response
from holdfast.serving.turns import Pending

BEGUN = "holdfast.begun"


class Direct(Protocol):
    """An application that can answer some requests without ASGI."""

    def direct(
        self, url: bytes, headers: Headers, body: bytes, arrived: float
    ) -> Coroutine[Any, Any, Response] | None:
        """The answer to a POST that is here whole; None when ASGI has to see it."""


class DirectProtocol(HttpProtocol):
    """One connection to an application that may be :class:`Direct`.

    Args:
        bounds: as of :class:`HttpProtocol`.
        config: as of :class:`HttpProtocol`.
    """

    def __init__(self, bounds: Connections, config: uvicorn.Config, **given: Any) -> None:
        super().__init__(bounds, config, **given)
        self._direct: Direct | None = self.app if hasattr(self.app, "direct") else None
        self._first = False  # the first request of a stretch of bytes
        self._open = False  # ASGI does not know of the request yet
        self._body = b""
        self._pending: Pending[Any, Any] | None = None  # what the last answer waits for

    def _feed(self, data: bytes) -> None:
        if self._pending is not None:
            self._hurry()
        self._first = True
        try:
            super()._feed(data)
            if self._open:
                self._hand_over()
        except (httptools.HttpParserError, RefusedError):
            self._hurry()
            if self._open:  # nobody but the parser has seen it
                self._open, self._phase = False, Phase.HEAD
            raise

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._pending is not None:
            self._hurry()
        self.url = self._body = b""
        self.headers = []
        self.expect_100_continue = False
        self._begin_head()

    def on_headers_complete(self) -> None:
        """Checks the head."""
        if self._check_head():
            self._phase = Phase.BODY
            self._open = True
            if self._direct is None or not self._first:
                self._hand_over()

    def _hand_over(self) -> None:
        """To the application by way of ASGI, with what there is of the body."""
        self._open = False
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()
        if self._body:
            super().on_body(self._body)

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if self._open:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        if self._open and not self.parser.should_upgrade():
            if self._answer():
                return
            self._hand_over()
        super().on_message_complete()

    def _answer(self) -> bool:
        """Answers at once; whether that could be done, or at least begun."""
        parser, self._first = self.parser, False
        if (
            self._direct is None
            or (self.cycle is not None and not self.cycle.response_complete)
            or self._bounds.draining
            or self.flow.write_paused
            or self.expect_100_continue
            or parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
        ):
            return False
        answer = self._direct.direct(self.url, self.headers, self._body, self._arrived())
        if answer is None:
            return False
        self._open = False
        self._phase = self._watched = Phase.ANSWER  # until the end of the turn nobody watches it
        self._go_on(answer)
        return True

    def _go_on(self, answer: Coroutine[Any, Any, Response]) -> None:
        """Takes an answer as far as it comes now."""
        self._pending = None
        response = begin(answer)
        if isinstance(response, Response):
            self._reply(response)
        elif isinstance(response, Pending):
            self._pending = response
            response.resume = partial(self._go_on, answer)
            if response.full:
                response.hurry()
        else:
            self._wait(response)

    def _reply(self, response: Response) -> None:
        if self.transport.is_closing():  # the caller is gone
            return
        self._together.send(response.raw(self._bounds.heading(self.server_state.default_headers)))
        self.server_state.total_requests += 1
        self._rest()

    def _wait(self, response: Begun[Response]) -> None:
        """For what takes longer than a turn, by way of ASGI."""
        closed = self._phase is Phase.CLOSED
        self._hand_over()
        self.scope[BEGUN] = response  # type: ignore[literal-required]
        self.scope["method"] = "POST"  # the parser may be elsewhere by now
        self.cycle.more_body = False
        self.cycle.disconnected = closed
        self._phase = Phase.CLOSED if closed else Phase.ANSWER
        self._watch()

    def _hurry(self) -> None:
        """Has what is pending answered before anything else happens to the connection."""
        if self._pending is not None:
            self._pending.hurry()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The caller has said all."""
        self._hurry()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone; what he asked for is recorded as it would have been."""
        self._hurry()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Told by uvicorn to come to an end."""
        self._hurry()
        super().shutdown()

    def expire(self) -> None:
        """Told that time is over."""
        self._hurry()
        super().expire()
