"""The audit log: a hash chain of events without a gap."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from holdfast.errors import AuditError
from holdfast.records import Event
from holdfast.store.rows import several
from holdfast.store.tables import event_head, events

_BATCH = 1000


@dataclass(frozen=True)
class Verified:
    """An intact chain: how many events, and the hash of the last one.

    Whoever can write to the database can also rewrite the whole chain. Keep ``head`` elsewhere
    now and then: the event of that number must have that hash for ever.
    """

    count: int
    head: str


class Events:
    """Appends to, reads and re-checks the audit log.

    The number and hash of the last event are kept a second time in a row of their own, so that
    events missing at the end are noticed too.
    """

    def append(
        self,
        tx: Connection,
        at: datetime,
        kind: str,
        model: str,
        actor: str,
        body: dict[str, Any],
    ) -> Event:
        """Writes the next event of the chain.

        Args:
            tx: a write transaction, the one of the change itself.
            at: aware time.
            kind: such as ``route.changed``.
            model: name of the model; empty when it concerns none.
            actor: who did it.
            body: plain values; kept as JSON.
        """
        head = tx.execute(select(event_head.c.seq, event_head.c.hash)).first()
        event = Event(
            seq=head.seq + 1 if head else 1,
            at=at.astimezone(UTC),
            kind=kind,
            model=model,
            actor=actor,
            body=msgspec.json.decode(msgspec.json.encode(body)),
            previous=head.hash if head else "",
        )
        event = msgspec.structs.replace(event, hash=event.expected_hash())
        tx.execute(insert(events).values(_columns(event)))
        values = {"seq": event.seq, "hash": event.hash}
        tx.execute(update(event_head).values(values) if head else _first_head(values))
        return event

    def list(
        self,
        tx: Connection,
        *,
        model: str | None = None,
        since: datetime | None = None,
        kinds: Collection[str] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[Event, ...]:
        """Newest first; ``before`` is the number of an event, for the next page."""
        query = select(events.c.record).order_by(events.c.seq.desc()).limit(limit)
        if model is not None:
            query = query.where(events.c.model == model)
        if since is not None:
            query = query.where(events.c.at >= since)
        if kinds is not None:
            query = query.where(events.c.kind.in_(kinds))
        if before is not None:
            query = query.where(events.c.seq < before)
        return several(tx, Event, query)

    def models_since(self, tx: Connection, seq: int) -> tuple[int, frozenset[str]]:
        """The number of the last event, and the models of those after number ``seq``."""
        last = tx.execute(select(event_head.c.seq)).scalar_one_or_none() or 0
        if last <= seq:
            return last, frozenset()
        names = tx.execute(select(events.c.model).where(events.c.seq > seq).distinct()).scalars()
        return last, frozenset(names)

    def export_jsonl(self, tx: Connection) -> Iterator[bytes]:
        """All events, oldest first, one line each."""
        for row in _oldest_first(tx):
            yield row["record"].encode() + b"\n"

    def verify(self, tx: Connection) -> Verified:
        """Re-computes the chain.

        Raises:
            AuditError: naming the first event that was changed, removed, added or moved.
        """
        count, previous = 0, ""
        for row in _oldest_first(tx):
            if row["seq"] != count + 1:
                raise _broken(count + 1, "is missing")
            previous = _checked(row, previous)
            count += 1
        head = tx.execute(select(event_head.c.seq, event_head.c.hash)).first()
        seq, last = (head.seq, head.hash) if head else (0, "")
        if seq > count:
            raise _broken(count + 1, "and those after it are missing")
        if seq < count:
            raise _broken(seq + 1, "was not written by Holdfast, or the record of the end was cut")
        if last != previous:
            raise _broken(count, "is not the one that was written last")
        return Verified(count, previous)


def _oldest_first(tx: Connection) -> Iterator[RowMapping]:
    """All rows, some at a time; no cursor stays open when the caller stops early."""
    query = select(events).order_by(events.c.seq).limit(_BATCH)
    rows = tx.execute(query).mappings().all()
    while rows:
        yield from rows
        rows = tx.execute(query.where(events.c.seq > rows[-1]["seq"])).mappings().all()


def _columns(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": event.at,
        "kind": event.kind,
        "model": event.model,
        "record": event.to_json().decode(),
    }


def _first_head(values: dict[str, Any]) -> Any:
    return insert(event_head).values(id=1, **values)


def _checked(row: RowMapping, previous: str) -> str:
    """The hash of one intact event."""
    seq = row["seq"]
    try:
        event = Event.from_json(row["record"])
    except msgspec.MsgspecError:
        raise _broken(seq, "cannot be read") from None
    if event.seq != seq:
        raise _broken(seq, "was moved")
    if event.hash != event.expected_hash() or _columns(event) != dict(row):
        raise _broken(seq, "was changed")
    if event.previous != previous:
        raise _broken(seq, "does not follow from the one before it")
    return event.hash


def _broken(seq: int, what: str) -> AuditError:
    return AuditError(
        "audit.broken",
        f"event {seq} {what}",
        "Compare the log with a backup; whoever can write to the database could have done it.",
    )
