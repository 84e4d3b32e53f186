"""The repository extension of the Open Inference Protocol, on the port of the metrics.

Only models that the server was given can be loaded and unloaded: no path and no address is taken
from a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from holdfast.serving.admin import Command, Reply
from holdfast.serving.tokens import allowed

PREFIX = "/v2/repository/"
_LARGEST = 64 * 2**10
_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 413: "Content Too Large", 503: "Service Unavailable",
    507: "Insufficient Storage",
}  # fmt: skip


class Repository:
    """A WSGI application.

    Args:
        run: gives a command to every worker.
        tokens: SHA-256 hex digests of the tokens that may order.
        exposed: others can reach the port; then nothing is done without tokens.
    """

    def __init__(
        self, run: Callable[[Command], Reply], *, tokens: Sequence[str] = (), exposed: bool = False
    ) -> None:
        self._run = run
        self._tokens = tuple(token.encode() for token in tokens)
        self._exposed = exposed

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        reply = self._answer(environ)
        body = msgspec.json.encode({} if reply.body is None else reply.body)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if reply.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        start(f"{reply.status} {_REASONS.get(reply.status, 'Error')}", headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Reply:
        given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        if self._tokens and not allowed(given, self._tokens):
            return Reply(401, {"error": "a bearer token is needed"})
        if self._exposed and not self._tokens:
            return Reply(403, {"error": "this needs a token when the port is reachable by others"})
        if environ["REQUEST_METHOD"] != "POST":
            return Reply(405, {"error": "this method is not allowed here"})
        asked = _body(environ)
        if asked is None:
            return Reply(400, {"error": "the body must be a small JSON object, or empty"})
        parts = environ["PATH_INFO"].removeprefix(PREFIX).split("/")
        if parts == ["index"]:
            return self._index(ready=asked.get("ready") is True)
        if len(parts) == 3 and parts[0] == "models" and parts[2] in ("load", "unload"):
            if asked.get("parameters"):
                return Reply(400, {"error": "a model is loaded as it was given: no parameters"})
            return self._run(Command(do=parts[2], model=parts[1]))
        return Reply(404, {"error": "there is nothing here"})

    def _index(self, *, ready: bool) -> Reply:
        reply = self._run(Command(do="index"))
        if reply.status != 200:
            return reply
        entries = [{"name": name, **reply.body[name]} for name in sorted(reply.body)]
        return Reply(200, [one for one in entries if not ready or one["state"] == "READY"])


def _body(environ: dict[str, Any]) -> dict[str, Any] | None:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > _LARGEST:
        return None
    try:
        data = environ["wsgi.input"].read(int(length))
        return msgspec.json.decode(data, type=dict[str, Any]) if data else {}
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
