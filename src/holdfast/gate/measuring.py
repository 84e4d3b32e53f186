"""The gate's metric of the candidate, and beside the champion's: built in, or the project's own."""

from __future__ import annotations

from holdfast.errors import GateError
from holdfast.gate.evidence import GateEvidence
from holdfast.records import Metric
from holdfast.spec import Gate
from holdfast.statistics.bootstrap import Difference, interval, paired_difference
from holdfast.statistics.draws import Draws, difference_of, interval_of


def measured(evidence: GateEvidence, policy: Gate, *, seed: int, resamples: int) -> Metric:
    """The candidate's metric; each of its bounds errs at ``alpha``.

    Raises:
        SpecError: when the metric is not for the task.
        DataError: when it has no value on these rows.
        GateError: when a metric of the project's own was not asked.
    """
    level = 1 - 2 * policy.alpha
    if policy.own:
        return interval_of(_own(evidence, policy), level=level)
    return interval(
        policy.metric,
        evidence.task,
        evidence.truth,
        evidence.score,
        classes=evidence.classes,
        positive=evidence.positive,
        seed=seed,
        resamples=resamples,
        level=level,
    )


def compared(evidence: GateEvidence, policy: Gate, *, seed: int, resamples: int) -> Difference:
    """The candidate's metric minus the champion's, on the same rows and draws.

    Raises:
        SpecError: as :func:`measured`.
        DataError: as :func:`measured`.
        GateError: as :func:`measured`.
    """
    assert evidence.champion_score is not None
    if policy.own:
        return difference_of(_own(evidence, policy), alpha=policy.alpha)
    return paired_difference(
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


def _own(evidence: GateEvidence, policy: Gate) -> Draws:
    if evidence.own is None or len(evidence.own.values) != 1 + (evidence.champion is not None):
        raise GateError(
            "gate.evidence",
            f"{policy.metric} was not asked of every version",
            "Give its draws of the candidate, and then of the champion.",
        )
    return evidence.own
