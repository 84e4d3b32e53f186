"""PagerDuty, Events API v2. The story is the ``dedup_key``: sent twice, it is one alert.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import json
from typing import Any

from holdfast.integrations.network import post_json
from holdfast.records import Notification
from holdfast.spec import Notify

EVENTS = "https://events.pagerduty.com"
LONGEST_SUMMARY = 1024
_ACTIONS = {"acknowledged": "acknowledge", "closed": "resolve", "answered": "resolve",
            "ended": "resolve"}  # fmt: skip


class PagerDuty:
    """Triggers, acknowledges and resolves alerts."""

    def __init__(self, channel: Notify) -> None:
        self._channel = channel

    def payload(self, notification: Notification) -> str:
        """The event as JSON, with the name of the key's variable in the place of the key."""
        return json.dumps(self._event(notification), indent=2, ensure_ascii=False)

    def send(self, notification: Notification) -> str:
        """Posts the event; of a test, also its resolution, so that no alert stays open.

        Raises:
            DeliveryError: as :func:`holdfast.integrations.network.request`.
        """
        event = self._event(notification)
        said = self._enqueue(event)
        if notification.event == "test":
            self._enqueue({**event, "event_action": "resolve"})
        return said

    def _enqueue(self, event: dict[str, Any]) -> str:
        channel = self._channel
        answer = post_json(
            f"{(channel.url or EVENTS).rstrip('/')}/v2/enqueue", event, ca=channel.ca,
            timeout=channel.timeout.total_seconds(),
        )  # fmt: skip
        return answer.line()

    def _event(self, notification: Notification) -> dict[str, Any]:
        details = {fact.name: fact.text for fact in notification.facts}
        details["To act"] = notification.command
        event: dict[str, Any] = {
            "routing_key": self._channel.key,
            "event_action": _ACTIONS.get(notification.event, "trigger"),
            "dedup_key": notification.story,
            "client": "Holdfast",
            "payload": {
                "summary": notification.title[:LONGEST_SUMMARY],
                "source": notification.model,
                "severity": notification.severity,
                "timestamp": notification.at.isoformat(),
                "component": notification.model,
                "class": notification.topic,
                "custom_details": {**details, "id": notification.id},
            },
        }
        if notification.link:
            event["client_url"] = notification.link
            event["links"] = [{"href": notification.link, "text": "Dashboard"}]
        return event
