"""Latency: what a one-row prediction takes, against ``[gate] max_latency_p99``."""

from __future__ import annotations

from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import number
from holdfast.records import Check
from holdfast.spec import Gate

NAME = "latency"


def check_latency(evidence: GateEvidence, policy: Gate) -> Check | None:
    """Passes when the 99th percentile is at most the limit; None without a limit."""
    if policy.max_latency_p99 is None:
        return None
    limit = policy.max_latency_p99.total_seconds()
    measured = evidence.latency_p99
    if measured is None:
        return Check(
            name=NAME,
            outcome="inconclusive",
            sentence="the latency was not measured",
            threshold=limit,
        )
    return Check(
        name=NAME,
        outcome="pass" if measured <= limit else "fail",
        sentence=f"a one-row prediction takes {_milliseconds(measured)} at the 99th percentile; "
        f"at most {_milliseconds(limit)} is allowed",
        value=measured,
        threshold=limit,
    )


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{number(value, 0 if value == round(value) else 1 if value >= 10 else 2)} ms"
