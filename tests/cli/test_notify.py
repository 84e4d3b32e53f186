"""``holdfast notify``, and what other commands say of people who were told or not."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.loop import incidents
from holdfast.records import Decision, Finding
from holdfast.testing.receiver import Receiver, Reply, receiving

CHANNELS = """
[[notify]]
kind = "slack"
url = "$TEST_SLACK"
timeout = "30s"

[[notify]]
kind = "webhook"
name = "audit"
url = "$TEST_HOOK"
secret = "$TEST_HOOK_SECRET"
timeout = "30s"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def home(untrained: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Any:
    with (untrained.project / "holdfast.toml").open("a") as file:
        file.write(CHANNELS)
    os.utime(untrained.project / "holdfast.toml", (2e9, 2e9))
    monkeypatch.setenv("TEST_SLACK", f"{receiver.url}/slack")
    monkeypatch.setenv("TEST_HOOK", f"{receiver.url}/hook")
    secret = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmnopqrstuv").decode()
    monkeypatch.setenv("TEST_HOOK_SECRET", secret)
    untrained.container.project_spec()
    return untrained


def test_a_test_says_that_it_is_one_and_what_came_back(
    home: Any, receiver: Receiver, run: Any
) -> None:
    done = run("notify", "test", home=home)
    assert done.status == 0, done.err
    assert done.out.splitlines() == ["slack (slack): ok: 200 ok", "audit (webhook): ok: 200 ok"]
    assert all(b"TEST, nothing is wrong" in got.body for got in receiver.got)
    receiver.answer = lambda got: Reply(403 if got.path == "/slack" else 200)
    failed = run("notify", "test", "--json", home=home)
    assert failed.status == 1
    first, second = json.loads(failed.out)
    assert (first["ok"], second["ok"]) == (False, True)
    assert "answered 403" in first["said"]
    assert "/slack" not in failed.out
    assert "nobody was told anything" in run("notify", "list", home=home).out, "past the outbox"


def test_a_dry_run_sends_nothing_and_needs_no_secret(
    home: Any, receiver: Receiver, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_HOOK_SECRET")
    done = run("notify", "test", "--dry-run", "--channel", "audit", home=home)
    assert done.status == 0
    head, body = done.out.splitlines()
    assert head == "audit (webhook): ok: not sent"
    assert json.loads(body)["type"] == "holdfast.test"
    assert receiver.got == []
    assert "TEST_HOOK_SECRET" in run("notify", "test", "--channel", "audit", home=home).out


def test_channels_that_are_not_there(home: Any, untrained: Any, run: Any) -> None:
    done = run("notify", "test", "--channel", "slcak", "--json", home=home)
    assert (done.status, done.error["code"]) == (1, "notify.none")
    assert done.error["fix"] == "There are: slack, audit."


def test_check_knows_kinds_and_variables(
    home: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_SLACK")
    done = run("check", home=home)
    assert done.status == 0, done.err
    assert "[[notify]] needs TEST_SLACK" in done.out
    home.edit('kind = "slack"', 'kind = "slakc"')
    wrong = run("check", "--json", home=home)
    assert wrong.error["code"] == "notify.unknown_kind"
    assert "'slack'" in wrong.error["fix"]


def test_an_incident_that_is_looked_after(home: Any, run: Any) -> None:
    at = home.clock.now()
    found = Finding(
        id="f", model="tiny", version=1, kind="contract", subject="size", pages=True, since=at,
        at=at, sentence="size is missing.",
    )  # fmt: skip
    decided = Decision(
        id="d", model="tiny", version=1, action="alert", trigger="contract", reason="r", at=at
    )
    with home.container.store.begin() as tx:
        incident = incidents.tell(home.container, tx, [found], decided)
    assert incident is not None
    done = run("incidents", "--acknowledge", incident.id, "--json", home=home)
    assert json.loads(done.out)[0]["acknowledged_by"]
    rows = json.loads(run("notify", "list", "--json", home=home).out)
    assert sorted((row["channel"], row["event"], row["state"]) for row in rows) == [
        ("audit", "acknowledged", "rehearsed"), ("audit", "opened", "rehearsed"),
        ("slack", "acknowledged", "rehearsed"), ("slack", "opened", "rehearsed"),
    ]  # fmt: skip
    table = run("notify", "list", "--limit", "1", home=home).out.splitlines()
    assert len(table) == 2
    assert "rehearsed" in table[1]
