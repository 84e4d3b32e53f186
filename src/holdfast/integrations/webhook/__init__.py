"""Webhooks, signed as Standard Webhooks has it: any receiver's library can verify them.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time

from holdfast.errors import DeliveryError
from holdfast.integrations.network import request
from holdfast.records import Notification
from holdfast.spec import Notify

PREFIX = "whsec_"
LEAST_BYTES = 24


class Webhook:
    """Posts JSON with ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``."""

    def __init__(self, channel: Notify) -> None:
        self._channel = channel

    def payload(self, notification: Notification) -> str:
        """The body, as it is signed."""
        return _body(notification).decode()

    def send(self, notification: Notification) -> str:
        """Posts it. The id is the same whenever it is sent again.

        Raises:
            DeliveryError: as :func:`holdfast.integrations.network.request`.
        """
        channel, body = self._channel, _body(notification)
        moment = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notification.id,
            "webhook-timestamp": str(moment),
            "webhook-signature": sign(channel.secret or "", notification.id, moment, body),
        }
        answer = request(
            "POST", channel.url or "", body, headers=headers, ca=channel.ca, signed=True,
            timeout=channel.timeout.total_seconds(),
        )  # fmt: skip
        return answer.line()


def _body(notification: Notification) -> bytes:
    data = {
        key: value
        for key, value in notification.to_dict().items()
        if key not in ("state", "due_at", "until", "attempts", "sent_at", "said")
    }
    kind = f"holdfast.{notification.event}"
    return json.dumps({"type": kind, "timestamp": data["at"], "data": data}).encode()


def sign(secret: str, identifier: str, moment: int, body: bytes) -> str:
    """``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``.

    Args:
        secret: ``whsec_`` and the base64 of at least 24 random bytes.
        identifier: the ``webhook-id``.
        moment: the ``webhook-timestamp``, seconds since 1970.
        body: what is sent, byte for byte.

    Raises:
        DeliveryError: when the secret is not of that form.

    The example is the one of the specification:

    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...      1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) < LEAST_BYTES:
        raise DeliveryError(
            "notify.webhook_secret",
            f"the secret of a webhook must be {PREFIX} and the base64 of {LEAST_BYTES} bytes",
            "Make one: python3 -c 'import base64, secrets; "
            'print("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())\'.',
        )
    signed = b".".join((identifier.encode(), str(moment).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
