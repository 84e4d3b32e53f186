"""GitHub: comments on one issue, or an issue a story. A hidden marker tells repetitions.

Source: https://docs.github.com/en/rest/issues
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from holdfast.integrations.network import Answer, post_json, request
from holdfast.integrations.text import escaped, markdown
from holdfast.records import Notification
from holdfast.spec import Notify

API = "https://api.github.com"
PAGE = 100
MOST_PAGES = 10
AHEAD = timedelta(days=1)  # as far as our clock may be ahead of theirs


class GitHub:
    """Writes issues and comments."""

    def __init__(self, channel: Notify) -> None:
        self._channel = channel
        self._root = f"{(channel.url or API).rstrip('/')}/repos/{channel.repository}/issues"

    def payload(self, notification: Notification) -> str:
        """The issue or comment as JSON."""
        return json.dumps(self._content(notification), indent=2, ensure_ascii=False)

    def send(self, notification: Notification) -> str:
        """Writes it, unless its marker is there already: then an answer of before was lost.

        Raises:
            DeliveryError: as :func:`holdfast.integrations.network.request`.
        """
        if self._channel.issue is not None:
            return self._comment(notification, self._channel.issue)
        story = _story_marker(notification.story)
        query = {"state": "all", "since": _iso(notification.since - AHEAD)}
        found = self._search(self._root, query, lambda body: story in body)
        if found is None:
            issue = self._write(self._root, self._content(notification)).json()
            said = f"opened issue {issue['number']}"
        else:
            issue = found
            said = self._comment(notification, int(issue["number"]))
        ends = notification.event in ("closed", "answered", "ended", "test")
        if ends and issue.get("state") != "closed":
            self._write(f"{self._root}/{issue['number']}", {"state": "closed"}, "PATCH")
        return said

    def _comment(self, notification: Notification, issue: int) -> str:
        own, since = _marker(notification.id), notification.at - AHEAD
        at = f"{self._root}/{issue}"
        told = own in str(self._read(at).json().get("body")) or self._search(
            f"{at}/comments", {"since": _iso(since)}, lambda body: own in body
        )
        if told:
            return f"issue {issue} has it already"
        self._write(f"{at}/comments", {"body": _body(notification)})
        return f"commented on issue {issue}"

    def _content(self, notification: Notification) -> dict[str, Any]:
        if self._channel.issue is not None:
            return {"body": _body(notification)}
        return {"title": notification.title, "body": _body(notification)}

    def _search(
        self, url: str, query: dict[str, str], wanted: Callable[[str], bool]
    ) -> dict[str, Any] | None:
        """The first of a list in whose body something is; newest pages are read first."""
        for page in range(1, MOST_PAGES + 1):
            found = self._read(f"{url}?{urlencode({**query, 'per_page': PAGE, 'page': page})}")
            items: list[dict[str, Any]] = found.json()
            for item in items:
                if wanted(str(item.get("body"))):
                    return item
            if len(items) < PAGE:
                break
        return None

    def _read(self, url: str) -> Answer:
        return request("GET", url, headers=self._headers(), timeout=self._timeout,
                       ca=self._channel.ca)  # fmt: skip

    def _write(self, url: str, value: dict[str, Any], method: str = "POST") -> Answer:
        return post_json(url, value, headers=self._headers(), timeout=self._timeout,
                         ca=self._channel.ca, method=method)  # fmt: skip

    @property
    def _timeout(self) -> float:
        return self._channel.timeout.total_seconds()

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {self._channel.token}",
        }


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _marker(identifier: str) -> str:
    return f"<!-- holdfast:{identifier} -->"


def _story_marker(story: str) -> str:
    return f"<!-- holdfast-story:{story} -->"


def _lines(notification: Notification) -> Iterator[str]:
    yield f"**{escaped(notification.title)}**"
    yield ""
    yield from markdown(notification)
    yield ""
    yield _marker(notification.id)
    yield _story_marker(notification.story)


def _body(notification: Notification) -> str:
    return "\n".join(_lines(notification))
