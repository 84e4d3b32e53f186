"""The outbox, and the migration that brings it to a database of the first schema."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from holdfast.records import Fact, Notification, NotificationState, notification_id
from holdfast.store import database as module
from holdfast.store.database import HEAD, VERSION_TABLE, Database
from holdfast.store.store import Store

At = Callable[[float], datetime]


def _notification(at: At, seconds: float, model: str = "churn", **changes: object) -> Notification:
    cause, moment = f"inc-1:{seconds:g}", at(seconds)
    values: dict[str, object] = {
        "id": notification_id(model, "slack", cause), "model": model, "channel": "slack",
        "cause": cause, "story": "inc-1", "topic": "page", "event": "opened", "severity": "info",
        "title": "t", "facts": (Fact(name="Since", text="noon"),), "command": "holdfast status",
        "since": moment, "at": moment, "due_at": moment, "until": moment,
    }  # fmt: skip
    return Notification(**{**values, **changes})  # type: ignore[arg-type]


def test_the_same_cause_is_written_once_and_waits_in_order(store: Store, at: At) -> None:
    second, first = _notification(at, 2), _notification(at, 1)
    other = _notification(at, 3, "fraud")
    with store.begin() as tx:
        assert [store.notifications.add(tx, one) for one in (second, first, first, other)] == [
            True, True, False, True,
        ]  # fmt: skip
    with store.begin() as tx:
        sent = _notification(at, 1, state=NotificationState.SENT, attempts=1, said="ok")
        store.notifications.save(tx, sent)
        assert not store.notifications.add(tx, first), "what was sent is not written anew"
    with store.read() as tx:
        found = store.notifications
        assert found.find(tx, first.id) == sent
        assert found.find(tx, "ntf-none") is None
        assert found.waiting(tx) == (second, other)
        assert found.list(tx) == (other, second, sent)
        assert found.list(tx, "churn", limit=1) == (second,)
        assert found.list(tx, states=(NotificationState.SENT,)) == (sent,)


def test_a_database_of_the_first_schema_keeps_what_it_holds(empty_url: str) -> None:
    database = Database(empty_url)
    if database.is_sqlite:
        database._prepare_file()
    config = Config()
    config.set_main_option(
        "script_location", str(Path(module.__file__).parent / "migrations").replace("%", "%%")
    )
    with database.begin() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "0001")
        tx.execute(text("INSERT INTO models (name, record) VALUES ('old', '{}')"))
    database.migrate()
    with database.read() as tx:
        assert "notifications" in inspect(tx).get_table_names()
        assert tx.execute(text("SELECT name FROM models")).scalar() == "old"
        assert tx.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == HEAD
    with database.begin() as tx:
        config.attributes["connection"] = tx
        command.downgrade(config, "0001")
        assert "notifications" not in inspect(tx).get_table_names()
    database.close()
