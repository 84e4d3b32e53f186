"""All checks together: evidence and policy in, verdict out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from holdfast.errors import SpecError
from holdfast.gate.artefact import check_artefact
from holdfast.gate.behaviour import check_behaviour
from holdfast.gate.calibrated import check_calibration
from holdfast.gate.champion import check_champion
from holdfast.gate.contract import check_contract
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.fairness import check_fairness
from holdfast.gate.floor import check_floor
from holdfast.gate.latency import check_latency
from holdfast.gate.leakage import check_leakage
from holdfast.gate.overlap import check_overlap
from holdfast.gate.size import check_size
from holdfast.gate.slices import check_slices
from holdfast.records import Check, Outcome, Verdict
from holdfast.spec import Gate


def evaluate(
    evidence: GateEvidence,
    policy: Gate,
    *,
    seed: int,
    now: datetime,
    id: str,  # noqa: A002 - the verdict's own field name
    resamples: int = 500,
) -> Verdict:
    """Judges one candidate. Without a champion only what concerns the candidate itself is checked.

    Args:
        evidence: what is known of the candidate.
        policy: ``[gate]``.
        seed: of the resamples; the same seed gives the same verdict.
        now: when it is judged, aware UTC.
        id: id of the verdict.
        resamples: how often the rows are drawn for each interval.

    Raises:
        SpecError: when the metric does not exist or is not for the task, or alpha is 0.5 or more.
        GateError: when the evidence is not whole.
    """
    if policy.alpha >= 0.5:
        raise SpecError(
            "spec.wrong_value",
            f"[gate] alpha: {policy.alpha} would let a worse version pass more often than not",
            "Set it below 0.5, such as 0.05.",
        )
    possible = (
        check_artefact(evidence),
        check_contract(evidence),
        check_overlap(evidence),
        check_leakage(evidence, policy),
        check_floor(evidence, policy, seed=seed, resamples=resamples),
        check_champion(evidence, policy, seed=seed, resamples=resamples),
        check_slices(evidence, policy),
        *check_fairness(evidence, policy),
        check_calibration(evidence, policy),
        check_latency(evidence, policy),
        check_size(evidence, policy),
        check_behaviour(evidence, policy),
    )
    checks = tuple(check for check in possible if check is not None)
    return Verdict(
        id=id,
        model=evidence.model,
        version=evidence.version,
        champion=evidence.champion,
        outcome=overall(checks),
        checks=checks,
        rows=evidence.rows,
        created_at=now,
    )


def overall(checks: Sequence[Check]) -> Outcome:
    """Fail if any check fails, else inconclusive if any is, else pass.

    >>> overall([Check(name="size", outcome="inconclusive", sentence="not measured")])
    'inconclusive'
    """
    outcomes: tuple[Outcome, ...] = ("fail", "inconclusive")
    for outcome in outcomes:
        if any(check.outcome == outcome for check in checks):
            return outcome
    return "pass"
