"""An event: one line of the hash-chained audit log."""

from __future__ import annotations

from typing import Any

from holdfast.records.base import Record, Time, digest


class Event(Record, frozen=True, kw_only=True):
    """Who did what, when and why, chained to the event before it.

    Args:
        seq: 1, 2, 3, … without a gap.
        kind: such as ``route.changed``, ``release.moved``, ``decision.made``, ``alias.moved``.
        body: the record behind it, as plain values.
        previous: hash of event ``seq - 1``; empty for the first.
    """

    seq: int
    at: Time
    kind: str
    model: str
    actor: str
    body: dict[str, Any]
    previous: str
    hash: str = ""

    def expected_hash(self) -> str:
        """Hash over everything but the hash itself."""
        return digest(Event(**{**_fields(self), "hash": ""}).to_json())


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
