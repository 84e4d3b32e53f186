"""Slack's incoming webhooks. They do not tell repetitions; each message shows its id."""

from __future__ import annotations

import json
from typing import Any

from holdfast.errors import DeliveryError
from holdfast.integrations.network import post_json
from holdfast.records import Notification
from holdfast.spec import Notify

LONGEST_HEADER = 150  # Slack's bounds, in characters
LONGEST_TEXT = 3000
_SIGNS = {"critical": ":red_circle:", "warning": ":large_yellow_circle:", "info": ":white_circle:"}


class Slack:
    """Posts a message of blocks to the address that Slack made for a channel."""

    def __init__(self, channel: Notify) -> None:
        self._channel = channel

    def payload(self, notification: Notification) -> str:
        """The message as JSON."""
        return json.dumps(message(notification), indent=2, ensure_ascii=False)

    def send(self, notification: Notification) -> str:
        """Posts it.

        Raises:
            DeliveryError: as :func:`holdfast.integrations.network.request`, and when Slack does
                not say ``ok``.
        """
        channel = self._channel
        answer = post_json(
            channel.url or "", message(notification), ca=channel.ca,
            timeout=channel.timeout.total_seconds(),
        )  # fmt: skip
        if answer.body.strip() != b"ok":
            raise DeliveryError(
                "notify.not_slack",
                f"Slack says 'ok' when it takes a message; this said: {answer.line()}",
                "Use the address of an incoming webhook.",
            )
        return answer.line()


def message(notification: Notification) -> dict[str, Any]:
    """The message: a text for lists and screen readers, and blocks."""
    lines = [f"*{_plain(fact.name)}:* {_plain(fact.text)}" for fact in notification.facts]
    if notification.command:
        lines.append(f"*To act:* `{_plain(notification.command)}`")
    if notification.link:
        lines.append(f"<{notification.link}|Open the dashboard>")
    sign = _SIGNS[notification.severity]
    small = f"Holdfast · {notification.id}"
    return {
        "text": f"{sign} {_plain(notification.title)}",
        "blocks": [
            {"type": "header", "text": _text("plain_text", f"{sign} {notification.title}",
                                             LONGEST_HEADER)},
            {"type": "section", "text": _text("mrkdwn", "\n".join(lines), LONGEST_TEXT)},
            {"type": "context", "elements": [_text("mrkdwn", small, LONGEST_TEXT)]},
        ],
    }  # fmt: skip


def _text(kind: str, text: str, longest: int) -> dict[str, str]:
    return {"type": kind, "text": text if len(text) <= longest else text[: longest - 1] + "…"}


def _plain(text: str) -> str:
    """Slack's three special characters, so that text mentions nobody and links nowhere."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
