"""The floor: the metric itself, with its interval, against ``[gate] min``."""

from __future__ import annotations

from statistics import NormalDist

from holdfast.errors import DataError, GateError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.measuring import measured
from holdfast.gate.required import required_rows
from holdfast.gate.sentences import about, decimals, number, percent
from holdfast.records import Check, Metric, Outcome
from holdfast.spec import Gate

NAME = "metric.min"

UNDECIDED = ("statistics.one_class", "statistics.too_few_rows", "statistics.no_rows")
"""Faults of the rows, not of the version."""


def check_floor(evidence: GateEvidence, policy: Gate, *, seed: int, resamples: int = 500) -> Check:
    """Passes when the metric is at least ``min`` beyond the doubt that ``alpha`` allows.

    - fail: the measured value is below ``min``;
    - pass: its one-sided lower bound at 1 − ``alpha`` is at or above ``min``, or there is no floor;
    - inconclusive: the value is above ``min`` but the bound is not. Few rows are never a pass.

    Answers that cannot be scored at all (not finite, no probabilities) fail.

    Args:
        evidence: what is known.
        policy: ``[gate]``.
        seed: of the resamples.
        resamples: how often the rows are drawn.

    Raises:
        SpecError: when the metric is not for the task.
        GateError: when labels are missing.
    """
    try:
        found = measured(evidence, policy, seed=seed, resamples=resamples)
    except DataError as error:
        return _not_measured(error, evidence, policy)
    return _judged(found, policy, evidence)


def _judged(found: Metric, policy: Gate, evidence: GateEvidence) -> Check:
    digits = decimals(max(found.high - found.low, 1e-4))
    each = evidence.own is not None and evidence.own.span > 0
    total = f", {found.value * found.n:,.6g} in all" if each else ""
    said = (
        f"{policy.measured} is {number(found.value, digits)} on {found.n:,} rows{total} "
        f"({percent(1 - policy.alpha)} bounds {number(found.low, digits)} "
        f"to {number(found.high, digits)})"
    )
    outcome: Outcome = "pass"
    required = None
    if policy.min is None:
        said += "; no floor is set"
    else:
        said += f"; at least {number(policy.min, digits)} is required"
        if found.value < policy.min:
            outcome = "fail"
        elif found.low < policy.min:
            outcome = "inconclusive"
            required = _required(found, policy)
            said += f", and the lower bound is below that: {about(required)}"
    return Check(
        name=NAME,
        outcome=outcome,
        sentence=said,
        value=found.value,
        low=found.low,
        high=found.high,
        threshold=policy.min,
        required=required,
    )


def _required(found: Metric, policy: Gate) -> int | None:
    assert policy.min is not None
    z = NormalDist().inv_cdf(1 - policy.alpha)
    se = (found.value - found.low) / z
    return required_rows(found.n, found.value - policy.min, se, policy.alpha)


def _not_measured(error: DataError, evidence: GateEvidence, policy: Gate) -> Check:
    if error.code == "statistics.missing_label":
        raise GateError(
            "gate.evidence", f"the held-out rows cannot be judged: {error.message}", error.fix
        ) from error
    if error.code in UNDECIDED:
        return Check(
            name=NAME,
            outcome="inconclusive",
            sentence=f"{policy.measured} cannot be measured on {evidence.rows:,} rows: "
            f"{error.message}",
            threshold=policy.min,
        )
    return Check(
        name=NAME,
        outcome="fail",
        sentence=f"the answers of version {evidence.version} cannot be scored: {error.message}",
        threshold=policy.min,
    )
