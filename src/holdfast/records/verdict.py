"""A verdict: the gate's answer on a version, with the evidence for each check."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time

Outcome = Literal["pass", "fail", "inconclusive"]


class Check(Record, frozen=True, kw_only=True):
    """One check of the gate.

    Args:
        name: such as ``metric.min``, ``champion``, ``slice``, ``latency``, ``behaviour``.
        outcome: what it says.
        sentence: one sentence a DevOps engineer understands.
        value: the statistic, in the metric's unit (seconds, bytes for latency, size).
        low: lower bound of its interval.
        threshold: what it was held against.
        required: rows that would decide, when inconclusive.
        detail: the parts, such as one entry a slice.
    """

    name: str
    outcome: Outcome
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    required: int | None = None
    detail: tuple[dict[str, str | float | int | None], ...] = ()


class Verdict(Record, frozen=True, kw_only=True):
    """The gate's answer: fail if any check fails, else inconclusive if any is, else pass.

    Args:
        disagreement: mean |difference| of candidate and champion on the held-out rows, in [0, 1];
            the release expects no more of it in production.
        slice_disagreement: the same for each value of the gate's slices that has enough rows.
        strange_day: how much more than the mean it was on the held-out day on which both differed
            most.
    """

    id: str
    model: str
    version: int
    champion: int | None
    outcome: Outcome
    checks: tuple[Check, ...]
    rows: int
    created_at: Time
    disagreement: float | None = None
    slice_disagreement: dict[str, float] = {}
    strange_day: float = 0.0

    @property
    def sentence(self) -> str:
        """The verdict in one sentence: the first check that did not pass, or that all did."""
        for wanted in ("fail", "inconclusive"):
            for check in self.checks:
                if check.outcome == wanted:
                    return check.sentence
        return f"all {len(self.checks)} checks passed"
