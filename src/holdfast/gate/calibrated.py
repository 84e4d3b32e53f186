"""Calibration: what is said to happen in 30 % of cases happens in 30 % of them."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from holdfast.errors import DataError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.required import required_rows
from holdfast.gate.sentences import about, decimals, number, percent
from holdfast.records import Check, Outcome
from holdfast.spec import Gate
from holdfast.statistics.calibration import Calibration, calibration
from holdfast.statistics.losses import Floats
from holdfast.statistics.scorers import read_rows

NAME = "calibration"


def check_calibration(evidence: GateEvidence, policy: Gate) -> Check | None:
    """The calibration error against ``max_calibration_error``; None without a limit.

    Binary: the probability of the positive class. Multiclass: that of the answered class, and
    whether it was right. Pass when the upper bound is at or below the limit, fail when the lower
    one is above it, else inconclusive with the rows that would decide.
    """
    limit = policy.max_calibration_error
    if limit is None or evidence.task == "regression":
        return None
    try:
        found = calibration(*_events(evidence), alpha=policy.alpha)
    except DataError as error:
        said = f"the calibration cannot be measured: {error.message}"
        return Check(name=NAME, outcome="inconclusive", sentence=said, threshold=limit)
    outcome: Outcome = "inconclusive"
    if found.high <= limit:
        outcome = "pass"
    elif found.low > limit:
        outcome = "fail"
    required = _required(found, limit, policy) if outcome == "inconclusive" else None
    digits = decimals(limit)
    said = (
        f"probabilities differ from what happened by {number(found.value, digits)} (root mean "
        f"square; {percent(1 - policy.alpha)} bounds {number(found.low, digits)} to "
        f"{number(found.high, digits)}) on {found.n:,} rows; at most {number(limit, digits)} "
        "is allowed"
    )
    if outcome == "inconclusive":
        said += f", which is neither shown nor ruled out: {about(required)}"
    return Check(
        name=NAME, outcome=outcome, sentence=said, value=found.value, low=found.low,
        high=found.high, threshold=limit, required=required,
        detail=tuple(
            {"said": said_, "happened": happened, "se": se} for said_, happened, se in found.cells
        ),
    )  # fmt: skip


def _events(evidence: GateEvidence) -> tuple[Floats, Floats]:
    rows = read_rows(
        evidence.task, evidence.truth, evidence.score,
        classes=evidence.classes, positive=evidence.positive,
    )  # fmt: skip
    if evidence.task == "binary":
        return rows.score, rows.true.astype(np.float64)
    chance = np.take_along_axis(rows.score, rows.predicted[:, None], axis=1)[:, 0]
    return chance, (rows.predicted == rows.true).astype(np.float64)


def _required(found: Calibration, limit: float, policy: Gate) -> int | None:
    """From how far the squared bound reaches beyond the squared estimate."""
    z = NormalDist().inv_cdf(1 - policy.alpha)
    se = (found.high**2 - found.value**2) / z
    return required_rows(found.n, abs(limit**2 - found.value**2), se, policy.alpha)
