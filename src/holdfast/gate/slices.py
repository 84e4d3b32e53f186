"""Slices: no part of the traffic may become worse, however good the whole is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.errors import DataError, GateError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import change, decimals, number, percent, plural
from holdfast.records import Check
from holdfast.spec import Gate
from holdfast.statistics.losses import Array, Floats, bounded_loss

NAME = "slices"
MINIMUM = 100
"""Rows below which the answer on a slice is "not enough data"."""

_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One value of one column.

    Args:
        name: ``column=value``.
        n: its rows.
        value: mean bounded loss, candidate minus champion; above 0 is worse.
        se: standard error of ``value``.
        p: chance of data like these if the slice were worse by just the margin; 1 below
            :data:`MINIMUM` rows.
        adjusted: ``p`` after Holm's correction for the number of slices.
    """

    name: str
    n: int
    value: float
    se: float
    p: float
    adjusted: float = 1.0


def check_slices(evidence: GateEvidence, policy: Gate) -> Check | None:
    """Fails when a slice is shown to have become worse by more than ``slice_margin``.

    For each value of each column of ``[gate] slices`` with at least 100 rows: one-sided paired t
    test of the difference of bounded loss against the margin; Holm's step-down correction (Holm
    1979) over all of them, so that a candidate without any slice worse than the margin fails in
    about ``alpha`` of all samples at most. Smaller slices are listed as not enough data; when all
    are smaller the check is inconclusive.

    Args:
        evidence: what is known.
        policy: ``[gate]``.

    Returns:
        The check, or None without slices or without a champion.

    Raises:
        GateError: when the evidence lacks a column.
    """
    if not policy.slices or evidence.champion_score is None:
        return None
    for column in policy.slices:
        if column not in evidence.slices:
            raise GateError(
                "gate.evidence",
                f"the values of slice column '{column}' were not given",
                "Give every column of [gate] slices with the held-out rows.",
            )
    try:
        difference = _difference(evidence, evidence.champion_score)
    except DataError as error:
        return Check(
            name=NAME,
            outcome="inconclusive",
            sentence=f"the slices cannot be compared with version {evidence.champion}: "
            f"{error.message}",
            threshold=policy.slice_margin,
        )
    found = [
        each
        for column in policy.slices
        for each in measure(column, evidence.slices[column], difference, policy.slice_margin)
    ]
    large = holm([each for each in found if each.n >= MINIMUM])
    small = [each for each in found if each.n < MINIMUM]
    if not large:
        return _too_small(small, evidence, policy)
    return _judged(large, small, evidence, policy)


def measure(column: str, cells: Array, difference: Floats, margin: float) -> Iterable[Slice]:
    """The slices of one column.

    Args:
        column: its name.
        cells: (n,) its values; None and NaN are a slice of their own.
        difference: (n,) loss, candidate minus champion.
        margin: how much worse a slice may become.
    """
    names, inverse = np.unique(_text(cells), return_inverse=True)
    n = np.bincount(inverse)
    mean = np.bincount(inverse, difference) / n
    spread = np.bincount(inverse, np.square(difference - mean[inverse]))
    for place, name in enumerate(names.tolist()):
        rows = int(n[place])
        se = math.sqrt(spread[place] / max(rows - 1, 1) / rows)
        value = float(mean[place])
        p = _p_value(value - margin, se, rows) if rows >= MINIMUM else 1.0
        yield Slice(name=f"{column}={name}", n=rows, value=value, se=se, p=p)


def holm(slices: Sequence[Slice]) -> list[Slice]:
    """Sets ``adjusted`` by Holm's step-down rule; most suspect first.

    >>> def part(name, p):
    ...     return Slice(name=name, n=100, value=0.0, se=0.1, p=p)
    >>> [(each.name, each.adjusted) for each in holm([part("a", 0.04), part("b", 0.01)])]
    [('b', 0.02), ('a', 0.04)]
    """
    result: list[Slice] = []
    so_far = 0.0
    for rank, each in enumerate(sorted(slices, key=lambda one: (one.p, -one.value, one.name))):
        so_far = max(so_far, min(1.0, each.p * (len(slices) - rank)))
        result.append(
            Slice(name=each.name, n=each.n, value=each.value, se=each.se, p=each.p, adjusted=so_far)
        )
    return result


def _difference(evidence: GateEvidence, champion: Array) -> Floats:
    own, other = (
        bounded_loss(
            evidence.task,
            evidence.truth,
            score,
            classes=evidence.classes,
            positive=evidence.positive,
            scale=evidence.scale,
        )
        for score in (evidence.score, champion)
    )
    return own - other


def _p_value(excess: float, se: float, n: int) -> float:
    if se == 0:
        return 0.0 if excess > 0 else 1.0
    from scipy.special import stdtr

    return float(stdtr(n - 1, -excess / se))


def _text(cells: Array) -> Array:
    return np.array(
        ["(missing)" if cell is None or cell != cell else str(cell) for cell in cells.tolist()]
    )


def _judged(
    large: Sequence[Slice], small: Sequence[Slice], evidence: GateEvidence, policy: Gate
) -> Check:
    digits = decimals(policy.slice_margin)
    allowed = number(policy.slice_margin, digits)
    worse = [each for each in large if each.adjusted <= policy.alpha]
    worst = max(worse or large, key=lambda each: each.value)
    low, high = _bounds(worst, policy.alpha)
    change_said = change(worst.value, digits, "higher (worse)", "lower (better)")
    on = (
        f"the loss on {worst.name} is {change_said} "
        f"{'as' if worst.value == 0 else 'than'} that of version {evidence.champion} "
        f"on the same {worst.n:,} rows"
    )
    if worse:
        said = (
            f"{on} ({percent(1 - policy.alpha)} bounds {number(low, digits)} to "
            f"{number(high, digits)}); at most {allowed} is allowed; "
            f"{len(worse):,} of {plural(len(large), 'slice')} became worse"
        )
    else:
        said = (
            f"none of {plural(len(large), 'slice')} is shown to be more than {allowed} worse than "
            f"in version {evidence.champion}; at most: {on}"
        )
    if small:
        said += f"; {plural(len(small), 'slice')} under {MINIMUM} rows: not enough data"
    return Check(
        name=NAME,
        outcome="fail" if worse else "pass",
        sentence=said,
        value=worst.value,
        low=low,
        high=high,
        threshold=policy.slice_margin,
        detail=_detail(large, small, policy.alpha),
    )


def _too_small(small: Sequence[Slice], evidence: GateEvidence, policy: Gate) -> Check:
    largest = max(small, key=lambda each: each.n)
    return Check(
        name=NAME,
        outcome="inconclusive",
        sentence=f"not enough data: all of {plural(len(small), 'slice')} have under {MINIMUM} rows "
        f"(the largest, {largest.name}, has {largest.n:,})",
        threshold=policy.slice_margin,
        required=math.ceil(evidence.rows * MINIMUM / largest.n),
        detail=_detail((), small, policy.alpha),
    )


def _bounds(each: Slice, alpha: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(max(each.n - 1, 1), 1 - alpha)) * each.se
    return each.value - half, each.value + half


def _detail(
    large: Sequence[Slice], small: Sequence[Slice], alpha: float
) -> tuple[dict[str, str | float | int | None], ...]:
    """The most suspect slices first, then the small ones by size."""
    rows: list[dict[str, str | float | int | None]] = []
    for each in large:
        low, high = _bounds(each, alpha)
        said = "fail" if each.adjusted <= alpha else "pass"
        rows.append(
            {"slice": each.name, "rows": each.n, "outcome": said, "value": each.value, "low": low,
             "high": high, "p": each.adjusted}
        )  # fmt: skip
    rows += [
        {"slice": each.name, "rows": each.n, "outcome": "not enough data", "value": None,
         "low": None, "high": None, "p": None}
        for each in sorted(small, key=lambda one: -one.n)
    ]  # fmt: skip
    return tuple(rows[:_SHOWN])
