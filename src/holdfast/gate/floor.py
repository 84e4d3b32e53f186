"""The floor: the metric itself, with its interval, against ``[gate] min``."""

from __future__ import annotations

from statistics import NormalDist

from holdfast.errors import DataError, GateError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.required import required_rows
from holdfast.gate.sentences import about, decimals, number, percent
from holdfast.records import Check, Metric, Outcome
from holdfast.spec import Gate
from holdfast.statistics.bootstrap import interval

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
        measured = interval(
            policy.metric,
            evidence.task,
            evidence.truth,
            evidence.score,
            classes=evidence.classes,
            positive=evidence.positive,
            seed=seed,
            resamples=resamples,
            level=1 - 2 * policy.alpha,
        )
    except DataError as error:
        return _not_measured(error, evidence, policy)
    return _judged(measured, policy)


def _judged(measured: Metric, policy: Gate) -> Check:
    digits = decimals(max(measured.high - measured.low, 1e-4))
    said = (
        f"{policy.metric} is {number(measured.value, digits)} on {measured.n:,} rows "
        f"({percent(1 - policy.alpha)} bounds {number(measured.low, digits)} "
        f"to {number(measured.high, digits)})"
    )
    outcome: Outcome = "pass"
    required = None
    if policy.min is None:
        said += "; no floor is set"
    else:
        said += f"; at least {number(policy.min, digits)} is required"
        if measured.value < policy.min:
            outcome = "fail"
        elif measured.low < policy.min:
            outcome = "inconclusive"
            required = _required(measured, policy)
            said += f", and the lower bound is below that: {about(required)}"
    return Check(
        name=NAME,
        outcome=outcome,
        sentence=said,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        threshold=policy.min,
        required=required,
    )


def _required(measured: Metric, policy: Gate) -> int | None:
    assert policy.min is not None
    z = NormalDist().inv_cdf(1 - policy.alpha)
    se = (measured.value - measured.low) / z
    return required_rows(measured.n, measured.value - policy.min, se, policy.alpha)


def _not_measured(error: DataError, evidence: GateEvidence, policy: Gate) -> Check:
    if error.code == "statistics.missing_label":
        raise GateError(
            "gate.evidence", f"the held-out rows cannot be judged: {error.message}", error.fix
        ) from error
    if error.code in UNDECIDED:
        return Check(
            name=NAME,
            outcome="inconclusive",
            sentence=f"{policy.metric} cannot be measured on {evidence.rows:,} rows: "
            f"{error.message}",
            threshold=policy.min,
        )
    return Check(
        name=NAME,
        outcome="fail",
        sentence=f"the answers of version {evidence.version} cannot be scored: {error.message}",
        threshold=policy.min,
    )
