"""How good the estimates were: those of past blocks beside what labels then said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.quality import Cohort

MATURE = 0.9
LEAST_LABELS = 30


@dataclass(frozen=True, slots=True)
class Track:
    """One kind of estimate, over the blocks whose labels are there.

    Args:
        estimate: ``calibrated`` (by the calibration of the held-out rows) or ``adapted``.
        blocks: those that had an estimate and have labels for nine predictions in ten.
        held: in how many of them the 95 % interval held the measured loss.
        bias: mean of estimate minus measured loss; None without blocks.
        error: mean distance of the two.
    """

    estimate: str
    blocks: int
    held: int
    bias: float | None = None
    error: float | None = None


def track(
    estimate: str,
    estimates: Sequence[Estimate],
    starts: Sequence[datetime],
    cohorts: Sequence[Cohort],
) -> Track:
    """Compares estimates with the loss that was measured later.

    Args:
        estimate: which kind they are.
        estimates: one a block; ``starts`` when each begins.
        starts: as said.
        cohorts: measured quality.
    """
    known = {
        one.start: one.loss
        for one in cohorts
        if one.loss is not None and one.maturity >= MATURE and one.labelled >= LEAST_LABELS
    }
    both = [
        (said, known[start])
        for said, start in zip(estimates, starts, strict=True)
        if said.value is not None and start in known
    ]
    if not both:
        return Track(estimate, 0, 0)
    away = np.array([(said.value or 0.0) - loss for said, loss in both])
    held = sum((said.low or 0.0) <= loss <= (said.high or 0.0) for said, loss in both)
    return Track(estimate, len(both), held, float(away.mean()), float(np.abs(away).mean()))


def tracks(
    starts: Sequence[datetime], cohorts: Sequence[Cohort], **made: Sequence[Estimate]
) -> tuple[Track, ...]:
    """One :func:`track` for each kind of estimate, by name."""
    return tuple(track(kind, estimates, starts, cohorts) for kind, estimates in made.items())
