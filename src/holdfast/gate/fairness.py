"""Fairness: groups that the spec declares are treated alike, by a measure and a largest gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from holdfast.errors import DataError, GateError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.required import required_rows
from holdfast.gate.sentences import about, decimals, number, percent, plural
from holdfast.records import Check, Outcome
from holdfast.spec import Fairness, Gate
from holdfast.statistics.groups import Group, gap_bounds, measure_groups

MINIMUM = 100
"""Rows of a group that count for the measure, below which nothing is said of it."""

_WORDS = {
    "selection_rate": "share answered positive",
    "true_positive_rate": "share of the positive found",
    "false_positive_rate": "share of the negative called positive",
    "accuracy": "share answered right",
    "loss": "mean loss",
}


class Gap(NamedTuple):
    """Two groups, the one with the larger measure first.

    Args:
        value: difference of their measures, at least 0.
        low: lower bound at ``alpha`` over all pairs together.
        high: upper bound at ``alpha`` of this pair.
    """

    upper: Group
    lower: Group
    value: float
    low: float
    high: float


def check_fairness(evidence: GateEvidence, policy: Gate) -> tuple[Check, ...]:
    """One check a line of ``[gate] fairness``, on the candidate alone.

    All pairs of groups with at least 100 rows that count are compared:

    - pass: the upper bound of every pair is at or below ``max_gap``. Each pair is tested at
      ``alpha``; since all must pass, a gap that is too large is let through in at most ``alpha``
      of all samples however many groups there are (intersection–union, Berger 1982);
    - fail: the lower bound of some pair, at ``alpha`` divided by the number of pairs, is above it;
    - inconclusive: else, with the rows that would decide, or with fewer than two such groups.

    Raises:
        GateError: when the evidence lacks a column.
    """
    return tuple(_check(line, evidence, policy) for line in policy.fairness)


def _check(line: Fairness, evidence: GateEvidence, policy: Gate) -> Check:
    name = f"fairness.{line.column}.{line.measure}"
    if line.column not in evidence.groups:
        raise GateError(
            "gate.evidence",
            f"the values of fairness column '{line.column}' were not given",
            "Give every column of [gate] fairness with the held-out rows.",
        )
    try:
        groups = measure_groups(
            line.measure, evidence.task, evidence.groups[line.column], evidence.truth,
            evidence.score, classes=evidence.classes, positive=evidence.positive,
            scale=evidence.scale,
        )  # fmt: skip
    except DataError as error:
        said = f"the groups of {line.column} cannot be compared: {error.message}"
        return Check(name=name, outcome="inconclusive", sentence=said, threshold=line.max_gap)
    large = [group for group in groups if group.n >= MINIMUM]
    small = [group for group in groups if group.n < MINIMUM]
    if len(large) < 2:
        return _too_few(name, line, groups, evidence)
    return _judged(name, line, gaps(large, policy.alpha), small, policy)


def gaps(groups: Sequence[Group], alpha: float) -> list[Gap]:
    """All pairs of groups, the widest gap first."""
    pairs = list(combinations(groups, 2))
    found = []
    for one, other in pairs:
        upper, lower = (one, other) if one.mean >= other.mean else (other, one)
        value = upper.mean - lower.mean
        below = gap_bounds(upper, lower, alpha / len(pairs)).low
        ends = gap_bounds(upper, lower, alpha)
        # The gap has no sign: what speaks for the other direction widens it as well.
        found.append(Gap(upper, lower, value, max(below, 0.0), max(ends.high, -ends.low)))
    return sorted(found, key=lambda gap: (-gap.value, gap.upper.name, gap.lower.name))


def _judged(
    name: str, line: Fairness, found: Sequence[Gap], small: Sequence[Group], policy: Gate
) -> Check:
    apart = [gap for gap in found if gap.low > line.max_gap]
    doubtful = [gap for gap in found if gap.high > line.max_gap]
    outcome: Outcome = "fail" if apart else "inconclusive" if doubtful else "pass"
    widest = found[0]
    shown = max(apart or doubtful or found, key=lambda gap: (gap.value, gap.high))
    high = max(gap.high for gap in found)
    digits = decimals(line.max_gap)
    said = (
        f"the {_WORDS[line.measure]} is {number(shown.upper.mean, digits)} for "
        f"{line.column}={shown.upper.name} and {number(shown.lower.mean, digits)} for "
        f"{line.column}={shown.lower.name}: a gap of {number(shown.value, digits)} "
        f"({percent(1 - policy.alpha)} bounds {number(shown.low, digits)} to "
        f"{number(shown.high, digits)}); at most {number(line.max_gap, digits)} is allowed"
    )
    required = _required(shown, line, policy) if outcome == "inconclusive" else None
    if outcome == "inconclusive":
        said += f", which is neither shown nor ruled out: {about(required)}"
    elif outcome == "pass":
        said += f" between any two of {plural(len({g for p in found for g in p[:2]}), 'group')}"
    if small:
        said += f"; {plural(len(small), 'group')} under {MINIMUM} rows: not enough data"
    return Check(
        name=name, outcome=outcome, sentence=said, value=widest.value,
        low=max(gap.low for gap in found), high=high, threshold=line.max_gap, required=required,
        detail=tuple(
            {"groups": f"{gap.upper.name} and {gap.lower.name}", "value": gap.value,
             "low": gap.low, "high": gap.high, "rows": gap.upper.n + gap.lower.n}
            for gap in found[:200]
        ),
    )  # fmt: skip


def _required(gap: Gap, line: Fairness, policy: Gate) -> int | None:
    """Rows of these two groups at which the gap would be ruled out, or shown."""
    n = gap.upper.n + gap.lower.n
    se = math.hypot(gap.upper.se, gap.lower.se)
    return required_rows(n, abs(line.max_gap - gap.value), se, policy.alpha)


def _too_few(name: str, line: Fairness, groups: Sequence[Group], evidence: GateEvidence) -> Check:
    sizes = sorted((group.n for group in groups), reverse=True)
    second = sizes[1] if len(sizes) > 1 else 0
    said = (
        f"not enough data: fewer than two groups of {line.column} have {MINIMUM} rows that count "
        f"for {line.measure}"
    )
    required = math.ceil(evidence.rows * MINIMUM / second) if second else None
    return Check(
        name=name, outcome="inconclusive", sentence=said, threshold=line.max_gap,
        required=required,
    )  # fmt: skip
