"""Contract: a version trained or judged on broken data is not released."""

from __future__ import annotations

from holdfast.gate.evidence import GateEvidence
from holdfast.records import Check

NAME = "contract"


def check_contract(evidence: GateEvidence) -> Check | None:
    """Fails on a hard breach, passes with soft ones named; None when it was not checked."""
    breaches = evidence.breaches
    if breaches is None:
        return None
    hard = [breach for breach in breaches if breach.hard]
    if hard:
        said = f"the data breaks its contract: {hard[0].sentence}"
        if len(hard) > 1:
            said += f"; {len(hard):,} hard breaches in all"
    elif breaches:
        said = f"the data keeps its contract, but: {breaches[0].sentence}"
    else:
        said = "the data keeps its contract"
    return Check(
        name=NAME,
        outcome="fail" if hard else "pass",
        sentence=said,
        value=len(hard),
        low=len(hard),
        high=len(hard),
        threshold=0,
        detail=tuple(
            {
                "column": breach.column,
                "rule": breach.rule,
                "outcome": "fail" if breach.hard else "pass",
                "message": breach.sentence,
            }
            for breach in breaches
        ),
    )
