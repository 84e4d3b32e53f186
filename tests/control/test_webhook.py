"""Signed webhooks: who may ask for a training without a token, and how often."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from holdfast.control.app import create_app
from holdfast.control.webhook import LARGEST, signature
from holdfast.loop.triggers import plans_of

SECRET = "between us"
PUSH = b'{"ref": "refs/heads/main", "after": "0c1f"}'
PATH = "/api/v1/hooks/tiny/train"


class Client:
    """Asks an application without a network."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def post(self, path: str, **what: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                return await client.post(path, **what)

        return asyncio.run(ask())


def _client(home: Any, secret: str | None = SECRET) -> Client:
    container = home.open()
    container.settings = msgspec.structs.replace(
        container.settings, token="a-token", webhook_secret=secret
    )
    return Client(create_app(container, reconcile=False))


def _signed(body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": signature(secret, body), **more}


def _plans(home: Any) -> Any:
    container = home.open()
    version = container.version("tiny", 1)
    return plans_of(container, container.spec("tiny"), version, home.clock.now())


def test_a_signed_body_asks_once(live: Any) -> None:
    live.edit("[gate]", '[retrain]\non = ["webhook"]\n\n[gate]')
    live.later(hours=1)
    client = _client(live)
    first = client.post(PATH, content=PUSH, headers=_signed(PUSH))
    assert (first.status_code, first.json()) == (202, {"status": "noted"})
    assert _plans(live).asked == live.clock.now()
    live.later(hours=1)
    replayed = client.post(PATH, content=PUSH, headers=_signed(PUSH, **{"X-GitHub-Delivery": "2"}))
    assert (replayed.status_code, replayed.json()) == (200, {"status": "known"})
    assert len(live.events("training.asked")) == 1
    assert _plans(live).asked != live.clock.now()


def test_what_is_not_signed_is_refused(live: Any) -> None:
    live.edit("[gate]", '[retrain]\non = ["webhook"]\n\n[gate]')
    client = _client(live)
    tampered = PUSH.replace(b"main", b"evil")
    for headers in (
        {}, _signed(PUSH, "another"), _signed(tampered), {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": signature(SECRET, PUSH).upper()},
        {"Authorization": "Bearer a-token"},
    ):  # fmt: skip
        refused = client.post(PATH, content=PUSH, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "webhook.signature")
    nobody = _client(live, secret=None)
    for secret in ("", "None"):
        answer = nobody.post(PATH, content=PUSH, headers=_signed(PUSH, secret))
        assert answer.status_code == 401
    huge = b" " * (LARGEST + 1)
    assert client.post(PATH, content=huge, headers=_signed(huge)).status_code == 400
    assert live.events("training.asked") == []


def test_a_ping_and_models_that_are_not_asked_for(live: Any) -> None:
    client = _client(live)
    ping = client.post(PATH, content=PUSH, headers=_signed(PUSH, **{"X-GitHub-Event": "ping"}))
    assert (ping.status_code, ping.json()) == (200, {"status": "ok"})
    unasked = client.post(PATH, content=PUSH, headers=_signed(PUSH))
    assert (unasked.status_code, unasked.json()["error"]["code"]) == (409, "webhook.not_asked_for")
    unknown = client.post("/api/v1/hooks/nobody/train", content=PUSH, headers=_signed(PUSH))
    assert unknown.status_code == 404
    assert live.events("training.asked") == []


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/models/tiny/train"])
def test_a_signature_opens_nothing_else(live: Any, path: str) -> None:
    answer = _client(live).post(path, content=PUSH, headers=_signed(PUSH))
    assert answer.status_code == 401
