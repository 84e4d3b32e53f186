"""The loop's metadata in a real PostgreSQL: train, judge, release, roll back, account for it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

pytestmark = pytest.mark.postgres


@pytest.fixture
def database_url() -> Iterator[str]:
    """A schema of its own in the server that ``scripts/postgres.sh`` started."""
    engine = create_engine(os.environ["HOLDFAST_TEST_POSTGRES"], isolation_level="AUTOCOMMIT")
    schema = f"loop_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    own = engine.url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


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
