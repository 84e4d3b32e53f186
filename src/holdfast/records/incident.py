"""An incident: the open story of one model going wrong."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time


class Incident(Record, frozen=True, kw_only=True):
    """Findings, decisions and actions, until closed.

    Args:
        acknowledged_by: who said that he looks after it.
        troubles: kinds of what pages, and actions that people must know of, so far: when one is
            added, the incident got worse.
    """

    id: str
    model: str
    version: int
    state: Literal["open", "closed"]
    title: str
    opened_at: Time
    paged: bool = False
    closed_at: Time | None = None
    closed_because: str = ""
    findings: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    acknowledged_by: str = ""
    troubles: tuple[str, ...] = ()
