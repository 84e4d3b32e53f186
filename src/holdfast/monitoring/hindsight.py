"""What labels say of a version that was replaced, when they came only afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from holdfast.monitoring.late import correct
from holdfast.monitoring.quality import ClassLabel, Cohort, labelled, quality
from holdfast.monitoring.times import align, whole_hours, with_times
from holdfast.spec import Monitor, Task


def hindsight(
    outcomes: pl.DataFrame,
    policy: Monitor,
    *,
    task: Task,
    scale: float,
    since: datetime,
    ended: datetime,
    until: datetime,
    classes: Sequence[ClassLabel] = (),
    positive: ClassLabel = 1,
    metrics: Sequence[str] = (),
) -> tuple[Cohort, ...]:
    """Realised quality by cohort, over the time that the version was live.

    Args:
        outcomes: as :func:`holdfast.monitoring.look.look` takes them.
        policy: ``[monitor]`` of the spec.
        task: what is predicted.
        scale: regression: error of loss 1.
        since: when it went live.
        ended: when it was replaced; later predictions are left out.
        until: labels that came later do not exist yet.
        classes: class labels.
        positive: label of the positive class.
        metrics: scikit-learn's scorer names, computed for each cohort.

    Raises:
        DataError: when labels or scores are of the wrong type.
    """
    length = whole_hours(policy.block)
    outcomes = with_times(outcomes)
    known = labelled(outcomes, until, task=task, classes=classes, positive=positive, scale=scale)
    cohorts = quality(
        outcomes, known, since=align(since, length), until=ended, length=length, task=task,
        metrics=metrics, classes=classes, positive=positive,
    )  # fmt: skip
    return correct(
        cohorts, outcomes, known, until=until, length=length, task=task, classes=classes,
        positive=positive,
    )  # fmt: skip
