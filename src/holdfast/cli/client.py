"""Talks to the control plane of this installation, when one is running."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from holdfast.errors import ConflictError, HoldfastError, NotFoundError, UnavailableError
from holdfast.loop.settings import Settings

TIMEOUT = 30.0
_KINDS = {404: NotFoundError, 409: ConflictError, 503: UnavailableError}


class ControlClient:
    """A few calls of the control API."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._token = token

    @classmethod
    def find(cls, settings: Settings) -> ControlClient | None:
        """The control plane named by ``HOLDFAST_CONTROL_URL``, or the one that left its address
        in the home folder; None when there is none or it does not answer.

        Raises:
            UnavailableError: when one was named and does not answer.
        """
        url = settings.control_url
        if url is None:
            try:
                url = json.loads((settings.home / "run" / "control.json").read_text())["url"]
            except (OSError, ValueError, KeyError):
                return None
        client = cls(str(url), settings.token)
        try:
            client.call("GET", "/api/v1/health", timeout=2.0)
        except UnavailableError:
            if settings.control_url is not None:
                raise
            return None
        return client

    def call(self, method: str, path: str, body: Any = None, timeout: float = TIMEOUT) -> Any:
        """One call; returns the JSON of the answer.

        Raises:
            HoldfastError: the error that the control plane gave, with its code and fix.
            UnavailableError: when it cannot be reached.
        """
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the URL is the operator's own
            self.url + path, data=data, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise _from_answer(error) from None
        except (OSError, ValueError) as error:
            raise UnavailableError(
                "control.unreachable",
                f"the control plane at {self.url} does not answer: {error}",
                "Start it with 'holdfast up' or 'holdfast control'.",
            ) from None


def _from_answer(error: urllib.error.HTTPError) -> HoldfastError:
    try:
        fault = json.loads(error.read())["error"]
        code, message, fix = fault["code"], fault["message"], fault.get("fix", "")
    except (ValueError, KeyError, TypeError):
        code, message, fix = "control.error", f"the control plane answered {error.code}", ""
    return _KINDS.get(error.code, HoldfastError)(code, message, fix)
