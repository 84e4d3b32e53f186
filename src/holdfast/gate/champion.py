"""The champion: not worse than what is live, on the same rows."""

from __future__ import annotations

from holdfast.errors import DataError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.measuring import compared
from holdfast.gate.required import required_rows
from holdfast.gate.sentences import about, bounds, change, decimals, number, percent
from holdfast.records import Check, Outcome
from holdfast.spec import Gate
from holdfast.statistics.bootstrap import Difference

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

    With ``superior`` the candidate must be shown to be better: the lower bound above 0, or for
    accuracy McNemar's exact test at ``alpha``. One that is equal then passes in at most ``alpha``
    of all samples. A margin of 0 asks nearly the same.

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
        difference = compared(evidence, policy, seed=seed, resamples=resamples)
    except DataError as error:
        return _not_compared(error, evidence, policy)
    outcome = judge(difference, policy.margin)
    if policy.superior:
        outcome = judge_better(difference, policy.alpha)
    required = _required(difference, policy) if outcome == "inconclusive" else None
    return Check(
        name=NAME,
        outcome=outcome,
        sentence=_sentence(difference, outcome, required, evidence, policy),
        value=difference.value,
        low=difference.low,
        high=difference.high,
        threshold=_line(policy),
        required=required,
        detail=(
            {
                "candidate": difference.a,
                "champion": difference.b,
                "se": difference.se,
                "exact": difference.exact,
            },
        ),
    )


def judge(difference: Difference, margin: float) -> Outcome:
    """Whether it is not worse: the rule of :func:`check_champion`.

    >>> judge(Difference(-0.02, -0.025, -0.017, 0.002, 0.0, 0.7, 0.72, 16_120), 0.01)
    'fail'
    """
    if difference.low >= -margin:
        return "pass"
    return "fail" if difference.high < 0 else "inconclusive"


def judge_better(difference: Difference, alpha: float) -> Outcome:
    """Whether it is better, with ``superior``.

    >>> judge_better(Difference(0.02, 0.001, 0.03, 0.01, 0.0, 0.74, 0.72, 900), 0.05)
    'pass'
    """
    shown = difference.low > 0 if difference.exact is None else difference.exact <= alpha
    if shown:
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


def _line(policy: Gate) -> float:
    return 0.0 if policy.superior else -policy.margin


def _required(difference: Difference, policy: Gate) -> int | None:
    """Rows for a pass when the estimate is within the margin, else for a fail."""
    to_pass = difference.value - _line(policy)
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
        f"{policy.measured} is {change(difference.value, digits)} {compared} version "
        f"{evidence.champion} on the same {difference.n:,} rows ({percent(1 - policy.alpha)} "
        f"bounds {bounds(difference.low, difference.high, digits)})"
    )
    if policy.superior:
        wanted = "it must be shown to be better"
        if outcome == "pass":
            return f"{said}: it is shown to be better"
        return f"{said}; {wanted}" + (f": {about(required)}" if outcome != "fail" else "")
    if outcome == "pass" and difference.low > 0:
        return f"{said}: it is shown to be better"
    if outcome == "pass":
        return f"{said}; at most {allowed} lower is allowed"
    if outcome == "fail":
        if difference.high < -policy.margin:
            return f"{said}; at most {allowed} is allowed"
        return f"{said}: it is worse, and not shown to be within the {allowed} that is allowed"
    return f"{said}: not shown to be at most {allowed} lower; {about(required)}"
