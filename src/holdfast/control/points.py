"""The points of the quality chart: blocks of all versions, joined in time or merged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import Any, Literal

from holdfast.control.axes import TIME_STEPS
from holdfast.control.seen import SeenCorrected, SeenLook
from holdfast.control.series import QualityPoint
from holdfast.loop.stints import Stint

Estimated = Literal["estimated", "adapted", "corrected"]


def points(
    looks: Sequence[SeenLook], lived: Sequence[Stint], block: timedelta
) -> tuple[QualityPoint, ...]:
    """Blocks of all looks, cut to the times when their version was live, in order.

    Args:
        looks: any; those of no stint are left out.
        lived: oldest first.
        block: length of a block.
    """
    known = {(look.version, look.since): look for look in looks}
    found: list[QualityPoint] = []
    for stint in lived:
        look = known.get((stint.version, stint.since))
        if look is not None:
            found += _of(look, stint, block)
    return tuple(found)


def _of(look: SeenLook, stint: Stint, block: timedelta) -> Iterator[QualityPoint]:
    """Blocks of estimates and cohorts of labels, joined by the time they begin."""
    blank = QualityPoint(start=look.since, end=look.since, version=look.version, rows=0)
    joined = {
        start: replace(
            blank, rows=rows, estimated=one.value, estimated_low=one.low, estimated_high=one.high,
            reason=one.reason,
        )
        for start, rows, one in zip(look.starts, look.rows, look.estimates, strict=False)
    }  # fmt: skip
    for start, one in zip(look.starts, look.adapted, strict=False):
        joined[start] = replace(
            joined.get(start, blank), adapted=one.value, adapted_low=one.low,
            adapted_high=one.high, adapted_reason=one.reason,
        )  # fmt: skip
    for cohort in look.quality:
        later = cohort.corrected or SeenCorrected()
        joined[cohort.start] = replace(
            joined.get(cohort.start, blank), rows=cohort.rows, labelled=cohort.labelled,
            realised=cohort.loss, realised_low=cohort.low, realised_high=cohort.high,
            corrected=later.loss, corrected_low=later.low, corrected_high=later.high,
            corrected_reason=later.reason,
        )  # fmt: skip
    for start in sorted(joined):
        begin = max(start, stint.since)
        end = min(start + block, stint.until or start + block)
        if begin < end:
            yield replace(joined[start], start=begin, end=end)


def grain(series: Sequence[QualityPoint], block: timedelta, most: int) -> timedelta:
    """How much time one point should stand for, so that there are about ``most``.

    Args:
        series: at least one, in order.
        block: length of a block, the answer as long as there are few.
        most: as many as can be told apart.
    """
    if len(series) <= most:
        return block
    span = series[-1].end - series[0].start
    for step in TIME_STEPS:
        if not step % block and span / step <= most:
            return step
    return math.ceil(len(series) / most) * block


def merged(series: Sequence[QualityPoint], length: timedelta) -> tuple[QualityPoint, ...]:
    """Points of one version that fall into one stretch of time as one point, for each stretch.

    Args:
        series: in order.
        length: of a stretch; stretches begin where a version went live.
    """
    result = []
    for _, group in groupby(series, key=lambda point: point.version):
        part = list(group)
        first = part[0].start
        for _, chunk in groupby(part, key=lambda point: (point.start - first) // length):
            result.append(_one(list(chunk)))
    return tuple(result)


def _one(chunk: Sequence[QualityPoint]) -> QualityPoint:
    if len(chunk) == 1:
        return chunk[0]
    whole = replace(
        chunk[0], end=chunk[-1].end, rows=sum(point.rows for point in chunk),
        labelled=sum(point.labelled for point in chunk), reason=chunk[-1].reason,
        corrected_reason=chunk[-1].corrected_reason, adapted_reason=chunk[-1].adapted_reason,
    )  # fmt: skip
    whole = _corrected(_realised(whole, chunk), chunk)
    return _estimated(_estimated(whole, chunk, "estimated"), chunk, "adapted")


def _realised(whole: QualityPoint, chunk: Sequence[QualityPoint]) -> QualityPoint:
    """The mean over labels; labels of different blocks are others, so errors add as squares."""
    parts = [
        (p.labelled, p.realised, p.realised_low, p.realised_high)
        for p in chunk
        if p.realised is not None and p.realised_low is not None and p.realised_high is not None
    ]
    total = sum(labelled for labelled, *_ in parts)
    if not total:
        return replace(whole, realised=None, realised_low=None, realised_high=None)
    mean = sum(n * value for n, value, _, _ in parts) / total
    below = math.hypot(*(n / total * (value - low) for n, value, low, _ in parts))
    above = math.hypot(*(n / total * (high - value) for n, value, _, high in parts))
    return replace(
        whole, realised=mean, realised_low=max(mean - below, 0.0),
        realised_high=min(mean + above, 1.0),
    )  # fmt: skip


def _corrected(whole: QualityPoint, chunk: Sequence[QualityPoint]) -> QualityPoint:
    """Of a stretch with young blocks: their corrected losses, and the measured ones of the others.

    Nothing when one of them can be neither: the stretch would seem to be known.
    """
    if all(point.corrected is None for point in chunk):
        return replace(whole, corrected=None, corrected_low=None, corrected_high=None)
    best = [
        point
        if point.corrected is not None
        else replace(
            point, corrected=None if point.corrected_reason else point.realised,
            corrected_low=point.realised_low, corrected_high=point.realised_high,
        )
        for point in chunk
    ]  # fmt: skip
    if any(point.corrected is None for point in best):
        return replace(whole, corrected=None, corrected_low=None, corrected_high=None)
    return _estimated(whole, best, "corrected")


def _estimated(whole: QualityPoint, chunk: Sequence[QualityPoint], name: Estimated) -> QualityPoint:
    """The mean over predictions; what is wrong with one estimate is wrong with the next."""
    names = (name, f"{name}_low", f"{name}_high")
    parts = [(p.rows, *(getattr(p, one) for one in names)) for p in chunk]
    parts = [part for part in parts if None not in part]
    total = sum(rows for rows, *_ in parts)
    means = [sum(part[0] * part[i] for part in parts) / total if total else None for i in (1, 2, 3)]
    changes: dict[str, Any] = dict(zip(names, means, strict=True))
    return replace(whole, **changes)
