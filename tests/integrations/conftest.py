"""Servers of their own for what channels send to, which keep what they got."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from holdfast.records import Fact, Notification, notification_id
from holdfast.testing.receiver import Receiver, Reply, receiving

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """For servers: a certificate for 127.0.0.1 that the authority issued."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def secure(server_tls: ssl.SSLContext) -> Iterator[Receiver]:
    with receiving(server_tls) as started:
        yield started


def notification(event: str = "opened", story: str = "inc-1", **changes: Any) -> Notification:
    cause = f"{story}:{event}"
    values: dict[str, Any] = {
        "id": notification_id("churn", "channel", cause), "model": "churn", "channel": "channel",
        "cause": cause, "story": story, "topic": "page", "event": event, "severity": "critical",
        "title": "churn version 3: something is wrong: it loses 0.1 more <b>",
        "facts": (
            Fact(name="What happened", text="It loses 0.1 more on plan=@here & <script>."),
            Fact(name="Since", text="2026-03-03 06:00 UTC"),
            Fact(name="How sure", text="The evidence is 1e9, where 480 is needed."),
            Fact(name="What the loop did", text="It trains a new version."),
        ),
        "command": "holdfast incidents --model churn", "link": "https://holdfast.example/incidents/inc-1",
        "since": NOON, "at": NOON, "due_at": NOON, "until": NOON,
    }  # fmt: skip
    return Notification(**{**values, **changes})


@pytest.fixture
def told() -> Callable[..., Notification]:
    """Makes a notification."""
    return notification


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
