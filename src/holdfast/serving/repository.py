"""The repository extension of the Open Inference Protocol, on the port of the metrics.

Only models that the server was given can be loaded and unloaded: no path and no address is taken
from a request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from holdfast.serving.admin import Command, Reply
from holdfast.serving.tokens import allowed

PREFIX = "/v2/repository/"
LARGEST = 64 * 2**10
_ORDERS: dict[str, Literal["load", "unload"]] = {"load": "load", "unload": "unload"}


class Repository:
    """Answers orders; may wait for the workers, so call it from a thread.

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

    def answer(self, method: str, path: str, authorization: bytes, body: bytes) -> Reply:
        """The reply to one request.

        Args:
            method: of HTTP.
            path: begins with :data:`PREFIX`.
            authorization: value of the header, empty when there is none.
            body: JSON, at most :data:`LARGEST` bytes, or empty.
        """
        if self._tokens and not allowed(authorization, self._tokens):
            return Reply(401, {"error": "a bearer token is needed"})
        if self._exposed and not self._tokens:
            return Reply(403, {"error": "this needs a token when the port is reachable by others"})
        if method != "POST":
            return Reply(405, {"error": "this method is not allowed here"})
        asked = _decoded(body)
        if asked is None:
            return Reply(400, {"error": "the body must be a small JSON object, or empty"})
        parts = path.removeprefix(PREFIX).split("/")
        if parts == ["index"]:
            return self._index(ready=asked.get("ready") is True)
        do = _ORDERS.get(parts[2]) if len(parts) == 3 and parts[0] == "models" else None
        if do is not None:
            if asked.get("parameters"):
                return Reply(400, {"error": "a model is loaded as it was given: no parameters"})
            return self._run(Command(do=do, model=parts[1]))
        return Reply(404, {"error": "there is nothing here"})

    def _index(self, *, ready: bool) -> Reply:
        reply = self._run(Command(do="index"))
        if reply.status != 200:
            return reply
        entries = [{"name": name, **reply.body[name]} for name in sorted(reply.body)]
        return Reply(200, [one for one in entries if not ready or one["state"] == "READY"])


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
    except (msgspec.MsgspecError, RecursionError):
        return None
