"""Channels are found by entry point; secrets come from the environment and are never said."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import DeliveryError, SpecError
from holdfast.loop import channels
from holdfast.loop.clock import SystemClock
from holdfast.loop.messages import trial
from holdfast.records import Notification, notification_id
from holdfast.spec import Notify
from holdfast.spec.channels import KINDS


class Leaky:
    """A plug-in whose errors and answers repeat its secrets."""

    def __init__(self, channel: Notify) -> None:
        self.channel = channel

    def payload(self, notification: Notification) -> str:
        return f"{self.channel.token} {notification.title}"

    def send(self, notification: Notification) -> str:
        if self.channel.repository == "broken":
            raise ValueError(f"bad token {self.channel.token}")
        if self.channel.repository == "refused":
            raise DeliveryError("x.y", f"no {self.channel.token}", "fix", 5.0)
        return f"took it from\n{self.channel.token}, {self.channel.ca}, {self.channel.to}"


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "leaky_plugin", sys.modules[__name__])
    point = EntryPoint("leaky", "leaky_plugin:Leaky", "holdfast.notifiers")

    def found(group: str, name: str | None = None) -> Any:
        assert group == "holdfast.notifiers"
        return [point] if name in (None, "leaky") else []

    monkeypatch.setattr(channels, "entry_points", found)


def _notification() -> Notification:
    now = SystemClock().now()
    message = trial("tiny", "x", "test-1", now)
    return Notification(
        id=notification_id("tiny", "x", message.cause), channel="x", at=now, due_at=now, until=now,
        **{name: getattr(message, name) for name in (
            "model", "cause", "story", "topic", "event", "severity", "title", "facts", "command",
            "since")},
    )  # fmt: skip


def test_what_is_shipped_is_found() -> None:
    assert channels.kinds() == sorted(KINDS)
    with pytest.raises(SpecError, match="Did you mean 'slack'"):
        channels.check_kind(Notify(kind="slak"))
    with pytest.raises(SpecError, match="Installed are: email, "):
        channels.check_kind(Notify(kind="carrier-dove"))


@pytest.mark.usefixtures("leaky")
def test_secrets_are_filled_in_and_never_said() -> None:
    channel = Notify(kind="leaky", token="$TOKEN", ca="ca.pem", to=("$WHO", "b@c"))
    env = {"TOKEN": "hunter2 ", "WHO": "a@b"}
    said = channels.send(channel, Path("/p"), _notification(), env)
    assert said == "took it from ***, /p/ca.pem, ('a@b', 'b@c')"
    assert channels.payload(channel, Path("/p"), _notification()).startswith("$TOKEN TEST")
    for repository, code in (("broken", "notify.fault"), ("refused", "x.y")):
        with pytest.raises(DeliveryError) as caught:
            channels.send(
                Notify(kind="leaky", token="$TOKEN", repository=repository), Path(),
                _notification(), env,
            )  # fmt: skip
        assert caught.value.code == code
        assert "hunter2" not in str(caught.value)
        assert "***" in str(caught.value)
    assert caught.value.retry_after == 5.0


@pytest.mark.usefixtures("leaky")
def test_what_is_not_set_is_named() -> None:
    channel = Notify(kind="leaky", token="$TOKEN", to=("$WHO",))
    assert channels.unset(channel, {"TOKEN": ""}) == ["TOKEN", "WHO"]
    with pytest.raises(DeliveryError, match="needs WHO"):
        channels.send(channel, Path(), _notification(), {"TOKEN": "x"})
