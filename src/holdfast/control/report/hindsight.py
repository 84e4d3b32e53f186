"""Past estimates against later truth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from holdfast.control.report.numbers import Hindsight
from holdfast.control.series import QualityPoint

MATURE = 0.8


def paired(points: Sequence[QualityPoint]) -> tuple[QualityPoint, ...]:
    """The blocks that have an estimate, and labels for most of their predictions."""
    return tuple(
        one
        for one in points
        if one.estimated is not None and one.realised is not None and one.maturity >= MATURE
    )


def hindsight(points: Sequence[QualityPoint]) -> Hindsight:
    """How estimates did, over the blocks that can be judged by now."""
    both = paired(points)
    apart = [(one.estimated or 0.0) - (one.realised or 0.0) for one in both]
    if not both:
        return Hindsight(blocks=0, agreed=0)
    return Hindsight(
        blocks=len(both),
        agreed=sum(agrees(one) for one in both),
        bias=math.fsum(apart) / len(apart),
        error=math.fsum(map(abs, apart)) / len(apart),
    )


def agrees(point: QualityPoint) -> bool:
    """Whether estimate and measurement are no further apart than their intervals allow together.

    Both err, independently as far as labels are others than those of the held-out rows, so that
    their half-widths add as squares.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2013, 7, 3, tzinfo=UTC)
    >>> point = QualityPoint(at, at, 1, 100, 100, 0.20, 0.18, 0.22, 0.16, 0.15, 0.17)
    >>> agrees(point)
    False
    """
    estimated, realised = point.estimated or 0.0, point.realised or 0.0
    if estimated > realised:
        sides = (estimated - (point.estimated_low or 0.0), (point.realised_high or 1.0) - realised)
    else:
        sides = ((point.estimated_high or 1.0) - estimated, realised - (point.realised_low or 0.0))
    return abs(estimated - realised) <= math.hypot(*sides)
