"""An HTTP server that keeps what it got and answers as it is told, for tests of what calls out."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    """One request. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What is answered.

    Args:
        status: of HTTP.
        body: sent with it.
        headers: sent with it.
        drip: instead of the body send a byte now and then, without an end.
        silent: answer nothing at all.
    """

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    drip: bool = False
    silent: bool = False


class Receiver:
    """A server on a free port of loopback; see :func:`receiving`.

    Args:
        context: TLS, or None for plain HTTP.

    Attributes:
        got: every request so far.
        answer: called with each request; returns what is answered.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[Got] = []
        self.answer: Callable[[Got], Reply] = lambda _: Reply()
        self.over = threading.Event()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        self.port: int = self.server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        if context is not None:
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )


@contextlib.contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Runs a receiver while the block lasts.

    >>> import urllib.request
    >>> with receiving() as receiver, urllib.request.urlopen(receiver.url + "/hook") as answer:
    ...     answer.read(), receiver.got[0].path
    (b'ok', '/hook')
    """
    receiver = Receiver(context)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that go away are part of what is tested."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Got(self.command, self.path, headers, self.rfile.read(length))
            reply = receiver.answer(got)
            receiver.got.append(got)
            if reply.silent:
                receiver.over.wait(60)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(10**6 if reply.drip else len(reply.body)))
            self.end_headers()
            while reply.drip and not receiver.over.wait(0.05):
                self.wfile.write(b"x")
            self.wfile.write(reply.body)

        do_GET = answer  # noqa: N815
        do_POST = answer  # noqa: N815
        do_PATCH = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Handler
