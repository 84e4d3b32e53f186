"""A decision: what the loop will do about findings, and why."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time

Action = Literal["nothing", "alert", "retrain", "roll_back", "block"]


class Decision(Record, frozen=True, kw_only=True):
    """One decision, walked back to the findings that caused it.

    Args:
        id: derived from its cause, so that deciding twice is deciding once.
        trigger: drift, quality, new_data, code, schedule, webhook, contract, silence or none.
        findings: ids of the findings.
    """

    id: str
    model: str
    version: int | None
    action: Action
    trigger: str
    reason: str
    at: Time
    findings: tuple[str, ...] = ()
