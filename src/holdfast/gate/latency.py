"""Latency: what a one-row prediction takes, against ``[gate] max_latency_p99``."""

from __future__ import annotations

from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import number, percent
from holdfast.records import Check
from holdfast.spec import Gate

NAME = "latency"


def check_latency(evidence: GateEvidence, policy: Gate) -> Check | None:
    """Passes when the 99th percentile is at most the limit; None without a limit.

    The verdict goes by the measured percentile. The bounds say how far chance alone may move it;
    the machine that judged may move it further.
    """
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
    low, high = evidence.latency_bounds or (None, None)
    said = ""
    if low is not None and high is not None:
        said = (
            f" ({percent(1 - policy.alpha)} bounds {_milliseconds(low)} to {_milliseconds(high)})"
        )
    return Check(
        name=NAME,
        outcome="pass" if measured <= limit else "fail",
        sentence=f"a one-row prediction takes {_milliseconds(measured)} at the 99th percentile"
        f"{said}; at most {_milliseconds(limit)} is allowed",
        value=measured,
        low=low,
        high=high,
        threshold=limit,
    )


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{number(value, 0 if value == round(value) else 1 if value >= 10 else 2)} ms"
