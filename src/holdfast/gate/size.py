"""Size: the bundle's bytes, against ``[gate] max_size``."""

from __future__ import annotations

from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import number
from holdfast.records import Check
from holdfast.spec import Gate, parse_size

NAME = "size"


def check_size(evidence: GateEvidence, policy: Gate) -> Check | None:
    """Passes when the bundle is at most the limit; None without a limit."""
    if policy.max_size is None:
        return None
    limit = parse_size(policy.max_size)
    if evidence.size is None:
        return Check(
            name=NAME,
            outcome="inconclusive",
            sentence="the size of the bundle was not measured",
            threshold=limit,
        )
    return Check(
        name=NAME,
        outcome="pass" if evidence.size <= limit else "fail",
        sentence=f"the bundle is {_readable(evidence.size)}; at most {policy.max_size} is allowed",
        value=evidence.size,
        low=evidence.size,
        high=evidence.size,
        threshold=limit,
    )


def _readable(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{number(value, 0 if unit == 'B' else 1)} {unit}"
        value /= 1024
    return f"{number(value, 1)} GiB"
