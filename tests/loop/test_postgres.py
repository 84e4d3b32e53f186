"""The loop's metadata in a real PostgreSQL: train, judge, release, roll back, account for it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.postgres


def test_the_loop_runs_on_postgresql(
    untrained: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert untrained.clock  # makes it
    environment = {**untrained.environment, "HOLDFAST_DATABASE_URL": database_url}
    monkeypatch.setattr(type(untrained), "environment", environment)
    for number in (1, 2):
        assert untrained.json("train")["number"] == number
        assert untrained.json("gate")["outcome"] == "pass"
        assert untrained.json("release", str(number))["state"] == "watched"
    assert untrained.json("rollback", "--why", "a test")["state"] == "rolled_back"
    assert untrained.json("status")[0]["live"]["number"] == 1
    kinds = {line["kind"] for line in untrained.json("history")}
    assert {"version.registered", "gate.judged", "route.changed", "release.moved"} <= kinds
    assert untrained.json("audit", "verify")["count"] == len(untrained.json("history"))
    assert not (untrained.home / "holdfast.db").exists()
