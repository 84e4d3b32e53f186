"""Every change of state is in the audit log, with who, when and why; and ``live-at`` by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from holdfast.errors import NotFoundError
from holdfast.loop import incidents
from holdfast.loop.gating import gate_now
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.triggers import ask_for_training
from holdfast.loop.views import live_at
from holdfast.records import JobState
from holdfast.store.tables import metadata

# Tables whose rows are decisions or consequences of one: no transaction may change them silently.
TOLD = {"routes", "decisions", "findings", "incidents", "verdicts"}
# Those that may change without an event, and why.
UNTOLD = {
    "models": "the spec is a file; of aliases what was last seen",
    "datasets": "content-addressed; named by the version's event",
    "versions": "also a cache of where a bundle is on this machine",
    "releases": "evidence that grows; each change of state is told, see below",
    "servers": "heartbeats",
    "jobs": "checkpoints; the order and the end are told, see below",
    "looks": "what the pages show, not what was decided",
    "fleet": "a number of each look, for the looks at other models",
    "leases": "who leads",
    "notifications": "the outbox; each is written with its cause",
    "events": "itself",
    "event_head": "itself",
}


class Writes:
    """By transaction, the tables it wrote."""

    def __init__(self) -> None:
        self.all: list[set[str]] = []


@contextmanager
def _listening(engine: Any) -> Iterator[Writes]:
    heard = Writes()

    def hear(_c: object, _cursor: object, statement: str, *_: object) -> None:
        words = statement.split()
        if words[0] == "BEGIN":
            heard.all.append(set())
        elif words[0] in ("INSERT", "UPDATE", "DELETE"):
            heard.all[-1].add(words[1] if words[0] == "UPDATE" else words[2])

    event.listen(engine, "before_cursor_execute", hear)
    yield heard
    event.remove(engine, "before_cursor_execute", hear)


def test_every_table_is_told_or_has_a_reason_not_to_be() -> None:
    assert TOLD | UNTOLD.keys() == set(metadata.tables)
    assert not TOLD & UNTOLD.keys()


def test_no_change_of_state_is_silent(live: Any, traffic: Callable[..., Any]) -> None:
    container = live.container
    store, releasing = container.store, Releasing(container)
    with _listening(store.database.engine) as heard:
        releasing.start("tiny", version=2, actor="ana")
        releasing.rollback("tiny", actor="bob", reason="slow")
        releasing.start("tiny", version=2, actor="ana", strategy="canary", force="again")
        releasing.abort("tiny", version=2, actor="bob", reason="no")
        live.edit('"direct"', '"direct"\napproval = "one"')
        releasing.start("tiny", version=2, actor="ana", force="with two")
        releasing.approve("tiny", version=2, actor="bob")
        container.registry.set_alias("tiny", "champion", 3)
        gate_now(container, "tiny", 3)
        job = ask_for_training(container, "tiny", "ana", "I say so")
        with store.begin() as tx:
            store.jobs.take(tx, job.id, 1, 0.0)
        one = Reconciler(container, releasing, container.wall)
        one.steer("tiny")
        traffic(live, 5, wrong=True)
        one.look("tiny")
        for incident in container.ask(store.incidents.list, "tiny", open_only=True):
            incidents.close_by_hand(container, incident.id, "known")
    silent = [tables for tables in heard.all if tables & TOLD and "events" not in tables]
    assert silent == []
    touched = set().union(*heard.all)
    assert touched >= TOLD, "each of them was put to the test"
    _complete(live)


def _plain(record: Any) -> Any:
    return msgspec.json.decode(record.to_json())


def _complete(home: Any) -> None:
    """Each record is in an event's body as it is, with who, when and why."""
    container, store = home.container, home.container.store
    events = home.events()
    for one in events:
        assert one.actor, one
        assert one.at.tzinfo is not None
        assert one.body["sentence"], one
    with store.read() as tx:
        kept = {
            "route": [_plain(route) for route in store.routes.history(tx, "tiny", 1000)],
            "decision": [_plain(one) for one in store.decisions.list(tx, "tiny")],
            "finding": [_plain(one) for one in store.findings.list(tx, "tiny")],
            "incident": [_plain(one) for one in store.incidents.list(tx, "tiny")],
        }
        states = {(one.id, one.state.value) for one in store.releases.list(tx, "tiny")}
        ended = {
            one.id
            for one in store.jobs.recent(tx, "tiny")
            if one.state == JobState.DONE and one.key.startswith(("train:", "gate:"))
        }
    for noun, records in kept.items():
        told = [one.body[noun] for one in events if noun in one.body]
        missing = [record for record in records if record not in told]
        ids = {record["id"] for record in told if "id" in record}
        if noun == "incident":  # it grows with findings; opened and closed are told
            missing = [record for record in missing if record["id"] not in ids]
        assert missing == [], noun
        assert records, noun
    told_states = {
        (one.body["release"]["id"], one.body["release"]["state"])
        for one in events
        if "release" in one.body
    }
    assert states <= told_states
    assert all(one["findings"] for one in kept["decision"]), "the evidence's ids"
    assert ended - {one.body.get("job") for one in events} <= set(), "each end of a job"
    moves = [one for one in events if one.kind == "alias.moved"]
    assert [(one.actor, one.body["version"]) for one in moves] == [("mlflow", 3)]
    assert container.ask(store.events.verify).count == len(events)


def test_live_at_answers_for_any_moment_and_at_the_edges(live: Any) -> None:
    container = live.container
    releasing, moment = Releasing(container), timedelta(microseconds=1)
    begins = [live.clock.now()]
    for version in (2, 1, 3):
        live.later(seconds=1)
        begins.append(live.clock.now())
        releasing.start("tiny", version=version, actor="ana", force="a test")
    live.later(days=1)

    def at(time: Any) -> list[int]:
        return [one.number for one in live_at(container, "tiny", time).versions]

    with pytest.raises(NotFoundError):
        at(begins[0] - moment)
    lived = [1, 2, 1, 3]
    for index, begin in enumerate(begins):
        assert at(begin) == [lived[index]], "from the very moment on"
        assert at(begin + moment) == [lived[index]]
        if index:
            assert at(begin - moment) == [lived[index - 1]], "until just before"
    assert at(begins[-1] + timedelta(days=400)) == [3]


def test_an_alias_moved_in_mlflow_is_moved_back_where_the_spec_says_so(live: Any) -> None:
    live.edit('"direct"', '"direct"\nalias_moves = "revert"')
    container = live.container
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    one.tick()
    for _ in range(2):  # each time, also when it is the same version again
        container.registry.set_alias("tiny", "champion", 2)
        for _ in range(3):
            one.tick()
        assert container.registry.aliases("tiny") == {"champion": 1}
    assert container.ask(container.store.routes.current, "tiny").champion.version == 1
    said = live.events("alias.reverted")
    assert [(e.actor, e.body["version"]) for e in said] == [("mlflow", 2)] * 2
    assert live.events("alias.moved") == []
