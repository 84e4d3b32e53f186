"""Trainings that another system asks for: a push to a repository, the end of an import.

Its requests are signed as GitHub signs them, so that it needs no token, which could give any order:
``X-Hub-Signature-256: sha256=`` and the HMAC-SHA256 of the body. A signed body is good for one
training, so what somebody overheard and sends again does nothing.
"""

from __future__ import annotations

import asyncio
import hmac

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from holdfast.errors import AuthError, UsageError
from holdfast.loop.container import Container
from holdfast.loop.triggers import ask_by_webhook

PREFIX = "/api/v1/hooks/"
HEADER = "x-hub-signature-256"
LARGEST = 2**20


def signature(secret: str, body: bytes) -> str:
    """What the header must say of a body.

    >>> signature("It's a Secret to Everybody", b"Hello, World!")[:20]
    'sha256=757107ea0eb25'
    """
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def make_webhook(container: Container) -> APIRouter:
    """The route that signed requests may use without a token."""
    api = APIRouter(prefix="/api/v1")

    @api.post("/hooks/{model}/train", status_code=202, summary="A signed webhook asks to train")
    async def train(model: str, request: Request) -> Response:
        body = await _body(request)
        _check(container.settings.webhook_secret, request.headers.get(HEADER, ""), body)
        if request.headers.get("x-github-event") == "ping":
            return JSONResponse({"status": "ok"})
        new = await asyncio.to_thread(ask_by_webhook, container, model, body)
        return JSONResponse({"status": "noted" if new else "known"}, 202 if new else 200)

    return api


async def _body(request: Request) -> bytes:
    """The body, of at most a MiB: anybody can send it, and it is read before it is trusted."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise UsageError(
                "webhook.too_large", f"the body is larger than {LARGEST} bytes", "Send less."
            )
    return bytes(body)


def _check(secret: str | None, presented: str, body: bytes) -> None:
    """Refuses what is not signed; says no more to who cannot sign.

    Raises:
        AuthError: also when there is no secret, and so nobody can.
    """
    right = signature(secret, body) if secret else ""
    if not right or not hmac.compare_digest(right.encode(), presented.encode()):
        raise AuthError(
            "webhook.signature",
            "the webhook is not signed, or not with the secret of this installation",
            "Set HOLDFAST_WEBHOOK_SECRET here and the same secret where the webhook comes from.",
        )
