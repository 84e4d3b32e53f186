import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from holdfast.errors import AuditError
from holdfast.records import Event
from holdfast.store.database import Database
from holdfast.store.store import Store

At = Callable[[float], datetime]


def fill(store: Store, at: At, count: int = 6) -> None:
    with store.begin() as tx:
        for i in range(count):
            model = ("churn", "fraud")[i % 2]
            store.events.append(tx, at(i), f"kind.{i % 3}", model, "ann", {"i": i})


def verify(store: Store) -> int:
    with store.read() as tx:
        return store.events.verify(tx).count


def test_an_empty_log_is_intact(store: Store) -> None:
    assert verify(store) == 0


def test_events_are_chained_without_a_gap(store: Store, at: At) -> None:
    fill(store, at)
    with store.read() as tx:
        newest_first = store.events.list(tx)
        verified = store.events.verify(tx)
    log = newest_first[::-1]
    assert [event.seq for event in log] == [1, 2, 3, 4, 5, 6]
    assert [event.previous for event in log] == ["", *(event.hash for event in log[:-1])]
    assert (verified.count, verified.head) == (6, log[-1].hash)


def test_list_filters_and_pages(store: Store, at: At) -> None:
    fill(store, at)

    def seqs(**filters: object) -> list[int]:
        with store.read() as tx:
            return [event.seq for event in store.events.list(tx, **filters)]  # type: ignore[arg-type]

    assert seqs(model="churn") == [5, 3, 1]
    assert seqs(since=at(4)) == [6, 5]
    assert seqs(kinds=("kind.0", "kind.1")) == [5, 4, 2, 1]
    assert seqs(limit=2) == [6, 5]
    assert seqs(limit=2, before=5) == [4, 3]


def test_export_is_one_verifiable_event_a_line(store: Store, at: At) -> None:
    fill(store, at)
    with store.read() as tx:
        lines = list(store.events.export_jsonl(tx))
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    events = [Event.from_json(line) for line in lines]
    assert all(event.hash == event.expected_hash() for event in events)


def test_a_change_that_is_undone_leaves_no_event(store: Store, at: At) -> None:
    def append_and_fail() -> None:
        with store.begin() as tx:
            store.events.append(tx, at(0), "a", "", "ann", {})
            raise KeyError

    with pytest.raises(KeyError):
        append_and_fail()
    fill(store, at, 1)
    assert verify(store) == 1


def test_times_are_kept_in_utc(store: Store, at: At) -> None:
    local = at(0).astimezone(timezone(timedelta(hours=5)))
    with store.begin() as tx:
        event = store.events.append(tx, local, "a", "", "ann", {})
    assert event.at == at(0)
    assert event.at.tzinfo is UTC
    assert verify(store) == 1


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bodies=st.lists(st.dictionaries(st.text(), plain, max_size=3), max_size=4), data=st.data())
def test_any_body_is_kept_and_verified(
    store: Store, at: At, bodies: list[dict[str, object]], data: st.DataObject
) -> None:
    before = verify(store)
    with store.begin() as tx:
        for body in bodies:
            store.events.append(tx, at(0), "a", "", "ann", body)
    assert verify(store) == before + len(bodies)


def _tamper_record(tx: Connection, seq: int, change: dict[str, object]) -> None:
    text_ = tx.execute(text("SELECT record FROM events WHERE seq = :s"), {"s": seq}).scalar()
    record = {**json.loads(str(text_)), **change}
    _write(tx, seq, json.dumps(record, separators=(",", ":")))


def _write(tx: Connection, seq: int, record: str) -> None:
    tx.execute(text("UPDATE events SET record = :r WHERE seq = :s"), {"r": record, "s": seq})


def _rehash(tx: Connection, seq: int) -> None:
    """A forger who knows the format: changes an event and mends its own hash."""
    old = tx.execute(text("SELECT record FROM events WHERE seq = :s"), {"s": seq}).scalar()
    fields = {**Event.from_json(str(old)).to_dict(), "actor": "eve", "hash": ""}
    event = Event.from_json(json.dumps(fields))
    fields["hash"] = event.expected_hash()
    _write(tx, seq, Event.from_json(json.dumps(fields)).to_json().decode())


def _swap(tx: Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        tx.execute(text("UPDATE events SET seq = :n WHERE seq = :o"), {"n": new, "o": old})


def _insert(tx: Connection) -> None:
    tx.execute(
        text(
            "INSERT INTO events (seq, at, kind, model, record)"
            " SELECT 7, at, kind, model, record FROM events WHERE seq = 6"
        )
    )


def _sql(statement: str) -> Callable[[Connection], object]:
    return lambda tx: tx.execute(text(statement))


TAMPERING: dict[str, tuple[int, Callable[[Connection], object]]] = {
    "changed body": (3, lambda tx: _tamper_record(tx, 3, {"body": {"i": 9}})),
    "changed actor": (1, lambda tx: _tamper_record(tx, 1, {"actor": "eve"})),
    "changed time": (2, lambda tx: _tamper_record(tx, 2, {"at": "2020-01-01T00:00:00Z"})),
    "changed hash": (4, lambda tx: _tamper_record(tx, 4, {"hash": "sha256:0"})),
    "changed last": (6, lambda tx: _tamper_record(tx, 6, {"kind": "x"})),
    "forged with its hash": (4, lambda tx: _rehash(tx, 3)),
    "forged last with its hash": (6, lambda tx: _rehash(tx, 6)),
    "added unknown key": (2, lambda tx: _tamper_record(tx, 2, {"extra": 1})),
    "changed column": (2, _sql("UPDATE events SET model = 'other' WHERE seq = 2")),
    "changed time column": (5, _sql("UPDATE events SET at = at + 1 WHERE seq = 5")),
    "no JSON": (5, lambda tx: _write(tx, 5, "{")),
    "no event": (5, lambda tx: _write(tx, 5, "[]")),
    "removed first": (1, _sql("DELETE FROM events WHERE seq = 1")),
    "removed in the middle": (3, _sql("DELETE FROM events WHERE seq = 3")),
    "removed and closed up": (
        3,
        lambda tx: (
            _sql("DELETE FROM events WHERE seq = 3")(tx),
            _sql("UPDATE events SET seq = 3 WHERE seq = 6")(tx),
        ),
    ),
    "removed last": (6, _sql("DELETE FROM events WHERE seq = 6")),
    "removed all": (1, _sql("DELETE FROM events")),
    "reordered": (2, _swap),
    "added at the end": (7, _insert),
    "head removed": (1, _sql("DELETE FROM event_head")),
    "head set back": (6, _sql("UPDATE event_head SET seq = 5")),
    "head's hash changed": (6, _sql("UPDATE event_head SET hash = 'x'")),
}


@pytest.mark.parametrize("way", TAMPERING)
def test_tampering_is_found_and_the_first_bad_event_named(store: Store, at: At, way: str) -> None:
    fill(store, at)
    seq, tamper = TAMPERING[way]
    with store.begin() as tx:
        tamper(tx)
    with pytest.raises(AuditError, match=rf"^event {seq} ") as caught:
        verify(store)
    assert caught.value.code == "audit.broken"


WRITER = """
import sys
from datetime import datetime, UTC
from holdfast.store.database import Database
from holdfast.store.store import Store
store = Store(Database(sys.argv[1]))
for i in range(20):
    with store.begin() as tx:
        store.events.append(tx, datetime(2024, 1, 1, tzinfo=UTC), "a", "", sys.argv[2], {"i": i})
store.close()
"""


def test_writers_in_threads_and_processes_make_one_chain(store: Store, url: str, at: At) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, f"process-{i}"]) for i in range(2)
    ]

    def write(name: int) -> None:
        own = Store(Database(url))
        for i in range(20):
            with own.begin() as tx:
                own.events.append(tx, at(i), "a", "", f"thread-{name}", {"i": i})
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [process.wait(60) for process in processes] == [0, 0]
    assert verify(store) == 120
    with store.read() as tx:
        log = store.events.list(tx, limit=1000)[::-1]
    for actor in {event.actor for event in log}:
        assert [event.body["i"] for event in log if event.actor == actor] == list(range(20))
