"""Behaviour: the user's own checks of what the model must and must not do."""

from __future__ import annotations

from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import plural
from holdfast.records import Check
from holdfast.spec import Gate

NAME = "behaviour"


def check_behaviour(evidence: GateEvidence, policy: Gate) -> Check | None:
    """Passes when every behavioural check passed; None when the spec names no folder.

    A folder without any check is inconclusive: what was asked for was not shown.
    """
    if policy.behaviour is None:
        return None
    checks = evidence.behaviours
    if not checks:
        why = "were not run" if checks is None else f"were not found in {policy.behaviour}"
        return Check(name=NAME, outcome="inconclusive", sentence=f"the behavioural checks {why}")
    failed = [check for check in checks if not check.passed]
    if failed:
        why = " ".join(failed[0].message.split())
        said = f"{len(failed):,} of {plural(len(checks), 'behavioural check')} failed: "
        said += failed[0].name + (f" ({why[:200]})" if why else "")
    else:
        said = f"{plural(len(checks), 'behavioural check')} passed"
    return Check(
        name=NAME,
        outcome="fail" if failed else "pass",
        sentence=said,
        value=len(checks) - len(failed),
        low=len(checks) - len(failed),
        high=len(checks) - len(failed),
        threshold=len(checks),
        detail=tuple(
            {
                "check": check.name,
                "outcome": "pass" if check.passed else "fail",
                "message": check.message,
            }
            for check in checks
        ),
    )
