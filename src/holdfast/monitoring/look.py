"""One look at a version in production: everything known by some time, as findings.

A pure function of reference, summaries, outcomes and policy. Looking again finds the same again,
under the same ids, so a crash between a look and its consequences repeats nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from holdfast.monitoring.attribution import Attribution, attribute
from holdfast.monitoring.broken import sound, whole
from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.contract import broken_spells, contract_findings
from holdfast.monitoring.drift import Drift, drift, run_start
from holdfast.monitoring.drifted import drifted
from holdfast.monitoring.estimate import Estimate, estimate_counts
from holdfast.monitoring.findings import (
    ESTIMATED_SHARE,
    day,
    finding_id,
    looks_per_month,
)
from holdfast.monitoring.joint import tables_of
from holdfast.monitoring.joint_drift import joint_drift
from holdfast.monitoring.loss_monitor import monitor_loss, tolerated
from holdfast.monitoring.merge import Blocks, blocks
from holdfast.monitoring.quality import ClassLabel, Cohort, labelled, quality
from holdfast.monitoring.times import align, whole_hours, with_times
from holdfast.records import Finding, Reference, Spell
from holdfast.spec import Monitor, Task
from holdfast.statistics.eprocess import gaussian_cusum, threshold_for

_SILENT = 2  # blocks without predictions, beyond the longest gap there has been
_HISTORY = 3  # blocks with predictions before silence means anything


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen.

    Args:
        until: the end of the last complete block.
        starts: (N,) start of each complete block.
        rows: (N,) predictions in each.
        findings: what is established now, pages first.
        drift: one a column, over the N blocks; the prediction first.
        estimates: (N,) estimated quality of each block.
        quality: realised quality of each block with predictions, the running one included.
        labels: outcomes known.
        passed: drift that began and ended since the look before: for the record, not for deciding.
    XX
    """

    until: datetime
    starts: tuple[datetime, ...]
    rows: tuple[int, ...]
    findings: tuple[Finding, ...]
    drift: tuple[Drift, ...]
    estimates: tuple[Estimate, ...]
    quality: tuple[Cohort, ...]
    labels: int
    passed: tuple[Finding, ...] = ()
    broken: tuple[Spell, ...] = ()
    joint: tuple[Drift, ...] = ()
    attribution: Attribution | None = None


def look(
    reference: Reference,
    summaries: pl.DataFrame,
    outcomes: pl.DataFrame,
    policy: Monitor,
    *,
    task: Task,
    model: str,
    version: int,
    since: datetime,
    until: datetime,
    classes: Sequence[ClassLabel] = (),
    positive: ClassLabel = 1,
    metrics: Sequence[str] = (),
    before: datetime | None = None,
) -> Look:
    """Looks at one version of a model in production.

    Args:
        reference: from its bundle.
        summaries: its stored rows (:func:`holdfast.monitoring.count.count`).
        outcomes: its live predictions: ``at`` and ``label_at`` (datetimes in UTC, or seconds
            since 1970), ``score`` (multiclass: a list a row) and ``label``, null where unknown.
        policy: ``[monitor]`` of the spec.
        task: what is predicted.
        model: whose predictions they are.
        version: its number.
        since: when it went live; blocks begin at the full hour (for blocks of days, at midnight).
        until: nothing later is looked at; summaries count in complete blocks only.
        classes: class labels.
        positive: label of the positive class.
        metrics: scikit-learn's scorer names, computed for each cohort.
        before: end of the look before this one, so that what came and went between the two is
            found however seldom anybody looks; None for the first.

    Raises:
        DataError: when labels or scores are of the wrong type.
    """
    length = whole_hours(policy.block)
    since = align(since, length)
    outcomes = with_times(outcomes)
    seen = blocks(summaries, reference.bins, since=since, until=until, length=length)
    parts = _slices(summaries, reference, policy, since=since, until=until, length=length)
    known = labelled(
        outcomes, until, task=task, classes=classes, positive=positive, scale=reference.scale
    )
    moved = drift(reference, seen, minimum=policy.minimum, pages_per_month=policy.pages_per_month)
    tables = blocks(summaries, tables_of(reference.joint), since=since, until=until, length=length)
    joint = joint_drift(
        reference, tables, moved, minimum=policy.minimum, pages_per_month=policy.pages_per_month
    )
    counts = seen.counts[PREDICTION]
    estimates = tuple(estimate_counts(row, reference, task, policy.minimum) for row in counts)
    broken = broken_spells(reference, seen, parts, minimum=policy.minimum)
    alarm = monitor_loss(
        whole(known, broken), reference, policy, model=model, version=version, since=since,
        until=until,
    )  # fmt: skip
    told = sound(estimates, seen.starts, broken)
    found = _found(alarm, told, (*moved, *joint), seen, parts, reference, policy, model, version)
    return Look(
        until=since + len(seen.starts) * length,
        starts=seen.starts,
        rows=tuple(seen.rows.tolist()),
        findings=found,
        drift=moved,
        joint=joint,
        attribution=_explained(reference, seen, parts, found, policy.minimum),
        estimates=estimates,
        quality=quality(
            outcomes, known, since=since, until=until, length=length, task=task,
            metrics=metrics, classes=classes, positive=positive,
        ),
        labels=known.height,
        passed=tuple(drifted((*moved, *joint), seen, model, version, before)) if before else (),
        broken=broken,
    )  # fmt: skip


def _explained(
    reference: Reference,
    seen: Blocks,
    parts: dict[str, Blocks],
    found: Sequence[Finding],
    minimum: int,
) -> Attribution | None:
    """Why the loss has changed since the first of the findings began."""
    since = min((align(one.since, seen.length) for one in found), default=None)
    measured = next((one.value for one in found if one.kind == "realised_loss"), None)
    change = None if measured is None else measured - reference.loss
    return attribute(reference, seen, parts, since=since, measured=change, minimum=minimum)


def _found(
    alarm: Finding | None,
    estimates: Sequence[Estimate],
    moved: Sequence[Drift],
    seen: Blocks,
    parts: dict[str, Blocks],
    reference: Reference,
    policy: Monitor,
    model: str,
    version: int,
) -> tuple[Finding, ...]:
    """All findings, those that page first."""
    found = [
        *([alarm] if alarm else []),
        *_estimated(estimates, seen, reference, policy, model, version),
        *contract_findings(
            reference, seen, parts, model=model, version=version, minimum=policy.minimum
        ),
        *drifted(moved, seen, model, version, None),
        *_silent(seen, model, version),
    ]
    return tuple(sorted(found, key=lambda one: not one.pages))


def _slices(
    summaries: pl.DataFrame,
    reference: Reference,
    policy: Monitor,
    *,
    since: datetime,
    until: datetime,
    length: timedelta,
) -> dict[str, Blocks]:
    """Slice key → its blocks, for the columns that are watched value by value."""
    keys = [one.slice for one in reference.summaries]
    return {
        key: blocks(
            summaries, reference.bins, since=since, until=until, length=length, slice_key=key
        )
        for key in keys
        if key.partition("=")[0] in policy.slices
    }


def _estimated(
    estimates: Sequence[Estimate],
    seen: Blocks,
    reference: Reference,
    policy: Monitor,
    model: str,
    version: int,
) -> Iterator[Finding]:
    """The estimated loss, as a sequence of blocks: an e-detector, and two blocks in a row."""
    mu0 = tolerated(reference, policy)
    said = [i for i, one in enumerate(estimates) if one.value is not None]
    if len(said) < 2 or said[-1] != len(estimates) - 1:
        return
    value = np.array([estimates[i].value for i in said], dtype=np.float64)
    error = np.array([estimates[i].error for i in said], dtype=np.float64)
    z = (value - mu0) / np.sqrt(error**2 + reference.loss_spread**2)
    log_m = gaussian_cusum(z)
    budget = policy.pages_per_month * ESTIMATED_SHARE
    threshold = threshold_for(budget, looks_per_month(seen.length))
    above = value - 1.645 * error > mu0
    start = run_start(above)
    if log_m[-1] < threshold or start is None or not above[-2]:
        return
    last, begun = estimates[said[-1]], seen.starts[said[start]]
    yield Finding(
        id=finding_id(model, version, "estimated_loss", "loss", begun),
        model=model, version=version, kind="estimated_loss", subject="loss", pages=True,
        since=begun, at=seen.starts[-1] + seen.length,
        sentence=(
            f"The estimated loss of version {version} has risen to {value[-1]:.3f}"
            f" ({last.low:.3f} to {last.high:.3f}) since {day(begun)}; on held-out rows it was"
            f" {reference.loss:.3f}, and up to {mu0:.3f} is tolerated. No labels confirm it yet."
        ),
        value=float(value[-1]), low=last.low, high=last.high, reference=reference.loss,
        log_e=float(log_m[-1]), log_threshold=threshold,
        rows=sum(estimates[i].rows for i in said[start:]),
    )  # fmt: skip


def _silent(seen: Blocks, model: str, version: int) -> Iterator[Finding]:
    """No predictions for longer than there ever was a gap; soft, since callers may rest."""
    busy = np.flatnonzero(seen.rows > 0)
    if busy.size < _HISTORY:
        return
    usual = int(np.diff(busy).max()) - 1
    silent = len(seen.starts) - 1 - int(busy[-1])
    if silent < usual + _SILENT:
        return
    begun = seen.starts[int(busy[-1]) + 1]
    yield Finding(
        id=finding_id(model, version, "silence", "predictions", begun),
        model=model, version=version, kind="silence", subject="predictions", pages=False,
        since=begun, at=seen.starts[-1] + seen.length,
        sentence=(
            f"Version {version} has answered nothing since {day(begun)};"
            f" it was never still for more than {usual} blocks before."
        ),
        value=float(silent), reference=float(usual),
    )  # fmt: skip
