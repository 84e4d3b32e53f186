"""What channels share of the network: one HTTPS request without redirects, TLS, errors in words."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from holdfast.errors import DeliveryError
from holdfast.spec.channels import url_fault

MOST_BYTES = 4 * 2**20
MOST_WAIT = 3600.0


@dataclass(frozen=True)
class Answer:
    """What an HTTP server said. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            DeliveryError: when it is none.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise DeliveryError("notify.answer", "the answer is not JSON") from None

    def line(self) -> str:
        """Status and the beginning of the body, in one line."""
        words = " ".join(self.body[:200].decode(errors="replace").split())
        return f"{self.status} {words}".strip()


def request(
    method: str,
    url: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str],
    timeout: float,
    ca: str | None = None,
    signed: bool = False,
) -> Answer:
    """One request. No redirect is followed, as it might carry secrets elsewhere.

    Args:
        method: such as ``POST``.
        url: http or https; errors name its host and never the rest, which may be secret.
        body: what is sent.
        headers: sent with it.
        timeout: seconds that the whole may take, however slowly the server drips.
        ca: PEM file of the authority to trust instead of the public ones.
        signed: no secret travels, so that plain http may leave the machine.

    Raises:
        DeliveryError: unless the answer is 2xx.
    """
    fault = url_fault(url, signed=signed)
    if fault:
        raise DeliveryError("notify.url", f"the address {fault}", "Mend url, or its variable.")
    parts = urlsplit(url)
    host = parts.hostname or ""
    where = f"{host}:{parts.port}" if parts.port else host
    with in_words(where, timeout):
        connection = _connection(parts.scheme, host, parts.port, timeout, ca)
        with contextlib.closing(connection):
            connection.connect()
            sock = connection.sock  # an answer that ends the connection forgets it
            with cut_after(timeout, lambda: sock) as cut:
                target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
                sent = {"User-Agent": "holdfast", "Connection": "close", **headers}
                try:
                    connection.request(method, target, body, sent)
                    with connection.getresponse() as response:
                        found = {name.lower(): value for name, value in response.getheaders()}
                        answer = Answer(response.status, found, response.read(MOST_BYTES))
                finally:
                    if cut.is_set():
                        raise TimeoutError
    return _accepted(answer, where)


def _connection(
    scheme: str, host: str, port: int | None, timeout: float, ca: str | None
) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=tls(ca))


def tls(ca: str | None) -> ssl.SSLContext:
    """Verifies certificates and names, by the machine's authorities or by the one named.

    Raises:
        DeliveryError: when the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(
            "notify.ca",
            f"the authority in {ca} cannot be read: {error}",
            "Name a PEM file with ca.",
        ) from None


@contextlib.contextmanager
def cut_after(
    seconds: float, connected: Callable[[], socket.socket | None]
) -> Iterator[threading.Event]:
    """Shuts a connection down after some time: a socket's own time-out begins anew with each byte.

    Yields:
        Set once it was shut.
    """
    cut = threading.Event()

    def shut() -> None:
        cut.set()
        sock = connected()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()


@contextlib.contextmanager
def in_words(where: str, timeout: float) -> Iterator[None]:
    """Turns what the network raises into a sentence that names only the host."""
    try:
        yield
    except DeliveryError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(
            "notify.certificate",
            f"the certificate of {where} is not trusted: {error.verify_message}",
            'If an authority of your own signed it, name it: ca = "ca.pem".',
        ) from None
    except TimeoutError:
        raise DeliveryError("notify.slow", f"{where} did not answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DeliveryError("notify.unreachable", f"{where} cannot be reached: {said}") from None


def _accepted(answer: Answer, where: str) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    if 300 <= answer.status < 400:
        raise DeliveryError(
            "notify.redirect",
            f"{where} sends us elsewhere ({answer.status}), which is not followed",
            "Name the final address as url.",
        )
    wait = retry_after(answer.headers.get("retry-after"))
    raise DeliveryError(
        "notify.refused", f"{where} answered {answer.line()}", _FIXES.get(answer.status, ""), wait
    )


_FIXES = {
    401: "The secret is wrong or has expired: renew it.",
    403: "The secret does not allow it: look at its permissions.",
    404: "There is no such address there: look at url, repository and issue.",
    410: "The address was taken away: make a new one.",
}


def retry_after(text: str | None) -> float | None:
    """Seconds to wait, of the header; a date or nonsense says nothing.

    >>> retry_after("7"), retry_after("soon"), retry_after("999999")
    (7.0, None, 3600.0)
    """
    return min(float(text), MOST_WAIT) if text is not None and text.strip().isdecimal() else None


def post_json(
    url: str,
    value: object,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    ca: str | None = None,
    method: str = "POST",
) -> Answer:
    """Sends JSON; see :func:`request` for arguments and errors."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    return request(method, url, json.dumps(value).encode(), headers=sent, timeout=timeout, ca=ca)


__all__ = ["Answer", "cut_after", "in_words", "post_json", "request", "retry_after", "tls"]
