"""The champion: not worse than what is live, on the same rows."""

from __future__ import annotations

from holdfast.errors import DataError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.required import required_rows
from holdfast.gate.sentences import about, bounds, change, decimals, number, percent
from holdfast.records import Check, Outcome
from holdfast.spec import Gate
from holdfast.statistics.bootstrap import Difference, paired_difference

NAME = "champion"


def check_champion(
    evidence: GateEvidence, policy: Gate, *, seed: int, resamples: int = 500
) -> Check | None:
    """Paired non-inferiority: the metric's difference to the champion on the same rows.

    - pass: its one-sided lower bound at 1 − ``alpha`` is at or above −``margin``, so a candidate
      that is worse by the margin passes in at most ``alpha`` of all samples;
    - fail: that is not so, and its one-sided upper bound is below 0: the candidate is worse, and
      not shown to be within the margin;
    - inconclusive: else, with the rows that would decide.

    A margin of 0 asks for proof of being better, so a candidate equal to the champion does not
    pass; it does not fail either.

    Args:
        evidence: what is known.
        policy: ``[gate]``.
        seed: of the resamples.
        resamples: how often the rows are drawn.

    Returns:
        The check, or None when there is no champion.

    Raises:
        SpecError: when the metric is not for the task.
    """
    if evidence.champion_score is None:
        return None
    try:
        difference = paired_difference(
            policy.metric,
            evidence.task,
            evidence.truth,
            evidence.score,
            evidence.champion_score,
            classes=evidence.classes,
            positive=evidence.positive,
            alpha=policy.alpha,
            seed=seed,
            resamples=resamples,
        )
    except DataError as error:
        return _not_compared(error, evidence, policy)
    outcome = judge(difference, policy.margin)
    required = _required(difference, policy) if outcome == "inconclusive" else None
    return Check(
        name=NAME,
        outcome=outcome,
        sentence=_sentence(difference, outcome, required, evidence, policy),
        value=difference.value,
        low=difference.low,
        high=difference.high,
        threshold=-policy.margin,
        required=required,
        detail=({"candidate": difference.a, "champion": difference.b, "se": difference.se},),
    )


def judge(difference: Difference, margin: float) -> Outcome:
    """The rule of :func:`check_champion`.

    >>> judge(Difference(-0.02, -0.025, -0.017, 0.002, 0.0, 0.7, 0.72, 16_120), 0.01)
    'fail'
    """
    if difference.low >= -margin:
        return "pass"
    return "fail" if difference.high < 0 else "inconclusive"


def _not_compared(error: DataError, evidence: GateEvidence, policy: Gate) -> Check:
    return Check(
        name=NAME,
        outcome="inconclusive",
        sentence=f"it cannot be compared with version {evidence.champion} on "
        f"{evidence.rows:,} rows: {error.message}",
        threshold=-policy.margin,
    )


def _required(difference: Difference, policy: Gate) -> int | None:
    """Rows for a pass when the estimate is within the margin, else for a fail."""
    to_pass = difference.value + policy.margin
    distance = to_pass if to_pass > 0 else -difference.value
    return required_rows(difference.n, distance, difference.se, policy.alpha, difference.reach)


def _sentence(
    difference: Difference,
    outcome: Outcome,
    required: int | None,
    evidence: GateEvidence,
    policy: Gate,
) -> str:
    digits = decimals(policy.margin or difference.se)
    allowed = number(policy.margin, digits)
    compared = "as" if difference.value == 0 else "than"
    said = (
        f"{policy.metric} is {change(difference.value, digits)} {compared} version "
        f"{evidence.champion} on the same {difference.n:,} rows ({percent(1 - policy.alpha)} "
        f"bounds {bounds(difference.low, difference.high, digits)})"
    )
    if outcome == "pass":
        return f"{said}; at most {allowed} lower is allowed"
    if outcome == "fail":
        if difference.high < -policy.margin:
            return f"{said}; at most {allowed} is allowed"
        return f"{said}: it is worse, and not shown to be within the {allowed} that is allowed"
    return f"{said}: not shown to be at most {allowed} lower; {about(required)}"
