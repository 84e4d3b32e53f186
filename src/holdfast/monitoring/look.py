"""One look at a version in production: everything known by some time, as findings.

A pure function of reference, summaries, outcomes and policy. Looking again finds the same again,
under the same ids, so a crash between a look and its consequences repeats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from holdfast.monitoring.adapt import adapt_blocks
from holdfast.monitoring.attribution import Attribution, attribute
from holdfast.monitoring.broken import sound, whole
from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.contract import broken_spells, contract_findings
from holdfast.monitoring.delays import watch_delays
from holdfast.monitoring.drift import Drift
from holdfast.monitoring.drifted import drifted
from holdfast.monitoring.estimate import Estimate, estimate_counts
from holdfast.monitoring.estimate_monitor import monitor_estimate
from holdfast.monitoring.fleet import budget_of
from holdfast.monitoring.held import Held, hold
from holdfast.monitoring.joint import tables_of
from holdfast.monitoring.joint_drift import joint_drift
from holdfast.monitoring.late import correct
from holdfast.monitoring.loss_monitor import Alarms, monitor_loss
from holdfast.monitoring.merge import Blocks, blocks, blocks_of
from holdfast.monitoring.quality import ClassLabel, Cohort, labelled, quality
from holdfast.monitoring.season import in_words
from holdfast.monitoring.selection import Selection, select
from holdfast.monitoring.silence import silent
from holdfast.monitoring.sliced import Moved, drift_of, in_slices
from holdfast.monitoring.times import align, whole_hours, with_times
from holdfast.monitoring.track import Track, tracks
from holdfast.records import Arming, Finding, FindingKind, Reference, Spell
from holdfast.records.finding import HELD
from holdfast.spec import Monitor, Task


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
        passed: drift and alarms that began and ended since the look before: for the record, not
            for deciding.
        broken: when the inputs broke the contract hard, past times too. What came in then says
            nothing of the model: it counts neither for its measured nor for its estimated loss.
        arming: how the monitors did in their rehearsal, None when there was none.
        adapted: (N,) estimates that follow a shift of the inputs; nothing is decided from them.
        track: how good the estimates of both kinds were, where labels came.
        joint: pairs of inputs that go together otherwise than before, the strongest first.
        attribution: which inputs and slices carry the change of the loss.
        level: what the open incident holds the loss to; None when there is nothing to hold.
        back: whether the loss is measured to be back within it.
        season: what drift was held against, in words.
        selection: whether labels come for all predictions alike; None while that cannot be said.
        sliced: columns of slices that moved, or came nearest to it.
        slices: in which slices drift was looked for, in words; "" when the policy names none.
        shares: (N,) share of the budget of false findings that each block was judged at.
        least_share: the least at which anything would be declared to have drifted; what other
            models need to know of this one. None when nothing had enough rows.
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
    arming: Arming | None = None
    adapted: tuple[Estimate, ...] = ()
    track: tuple[Track, ...] = ()
    joint: tuple[Drift, ...] = ()
    attribution: Attribution | None = None
    level: float | None = None
    back: bool = False
    season: str = ""
    selection: Selection | None = None
    sliced: tuple[Drift, ...] = ()
    slices: str = ""
    shares: tuple[float, ...] = ()
    least_share: float | None = None


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
    arming: Arming | None = None,
    rows: pl.DataFrame | None = None,
    adapted: Mapping[datetime, Estimate] = {},
    level: float | None = None,
    share: float = 1.0,
    judged: Mapping[datetime, float] = {},
) -> Look:
    """Looks at one version of a model in production.

    Args:
        reference: from its bundle.
        summaries: its stored rows (:func:`holdfast.monitoring.count.count`).
        outcomes: as :func:`.quality.labelled` takes them; times may be seconds since 1970.
        policy: ``[monitor]`` of the spec.
        task: what is predicted.
        model: whose predictions they are.
        version: its number.
        since: when it went live; blocks begin at the full hour, or at midnight.
        until: nothing later is looked at; summaries count in complete blocks only.
        classes: class labels.
        positive: label of the positive class.
        metrics: scikit-learn's scorer names, computed for each cohort.
        before: end of the look before, so that what came and went since is found; None at first.
        arming: of :func:`holdfast.monitoring.arming.arm`; without it the monitors page unrehearsed.
        rows: of some blocks, for adapted estimates: ``at``, features, ``prediction`` as counted.
        adapted: such estimates of past blocks, by their start; they are kept as they were.
        level: the loss that an incident which began with another version holds this one to.
        share: of the budget of false findings of drift, that the fleet leaves to this model.
        judged: the share that past blocks were judged at, by their start.

    Raises:
        DataError: when labels or scores are of the wrong type.
    """
    length = whole_hours(policy.block)
    since, outcomes = align(since, length), with_times(outcomes)
    window: dict[str, Any] = {"since": since, "until": until, "length": length}
    seen, tables = blocks_of(summaries, [reference.bins, tables_of(reference.joint)], **window)
    parts = _slices(summaries, reference, policy, **window)
    moved = _moved(reference, seen, tables, parts, policy, share, judged)
    estimates = _estimates(seen, reference, task, policy)
    broken = broken_spells(reference, seen, parts, minimum=policy.minimum)
    whose: dict[str, Any] = {"model": model, "version": version, "until": until, "since": since}
    kind: dict[str, Any] = {"task": task, "classes": classes, "positive": positive}
    about = kind | {"length": length}
    known = labelled(outcomes, until, scale=reference.scale, **kind)
    told, sure = sound(estimates, seen.starts, broken), whole(known, broken)
    losses = _losses(sure, told, seen, reference, policy, arming, before, whose)
    delayed = watch_delays(outcomes, known, policy, **whose, **about)
    held = _held(sure, level, losses[0].open, reference, policy, whose)
    alarms = [one for one in (*(loss.open for loss in losses), held.finding, delayed) if one]
    cohorts = quality(outcomes, known, metrics=metrics, since=since, until=until, **about)
    found = _found(alarms, moved.every, seen, parts, reference, policy, model, version)
    follow = adapt_blocks(reference, seen, rows, adapted, task)
    return Look(
        until=since + len(seen.starts) * length, starts=seen.starts, rows=tuple(seen.rows.tolist()),
        findings=found, drift=moved.columns, joint=moved.joint, sliced=moved.sliced,
        season=in_words(reference.season), slices=in_slices(reference, policy.slices),
        shares=moved.shares, least_share=moved.level, level=level, back=held.back,
        attribution=_explained(reference, seen, parts, found, policy.minimum),
        estimates=estimates, adapted=follow, labels=known.height, broken=broken, arming=arming,
        quality=correct(cohorts, outcomes, known, until=until, **about),
        passed=_passed(moved.every, seen, losses, before, model, version),
        track=tracks(seen.starts, cohorts, calibrated=estimates, adapted=follow),
        selection=select(outcomes, known, until=until, length=length, task=task, classes=classes),
    )  # fmt: skip


def _moved(
    reference: Reference,
    seen: Blocks,
    tables: Blocks,
    parts: Mapping[str, Blocks],
    policy: Monitor,
    share: float,
    judged: Mapping[datetime, float],
) -> Moved:
    """Drift of the columns, also in slices, and of pairs of them."""
    demands: dict[str, Any] = {
        "minimum": policy.minimum, "pages_per_month": policy.pages_per_month,
        "budget": budget_of(seen.starts, share, judged),
    }  # fmt: skip
    alone = drift_of(reference, seen, parts, **demands)
    together = joint_drift(reference, tables, alone.columns, **demands)
    known = [one for one in (alone.level, together.level) if one is not None]
    shares = tuple(demands["budget"].tolist())
    return alone._replace(joint=together.pairs, level=min(known, default=None), shares=shares)


def _estimates(
    seen: Blocks, reference: Reference, task: Task, policy: Monitor
) -> tuple[Estimate, ...]:
    """The estimated quality of each block."""
    counts = seen.counts[PREDICTION]
    return tuple(estimate_counts(row, reference, task, policy.minimum) for row in counts)


def _losses(
    known: pl.DataFrame,
    estimates: Sequence[Estimate],
    seen: Blocks,
    reference: Reference,
    policy: Monitor,
    arming: Arming | None,
    before: datetime | None,
    whose: dict[str, Any],
) -> tuple[Alarms, Alarms]:
    """What the monitors of the measured and of the estimated loss found."""
    measured = monitor_loss(
        known, reference, policy, **whose, before=before, **_armed(arming, "realised_loss")
    )
    estimated = monitor_estimate(
        estimates, seen.starts, seen.length, reference, policy, model=whose["model"],
        version=whose["version"], before=before, **_armed(arming, "estimated_loss"),
    )  # fmt: skip
    return measured, estimated


def _held(
    known: pl.DataFrame,
    level: float | None,
    lost: Finding | None,
    reference: Reference,
    policy: Monitor,
    whose: dict[str, Any],
) -> Held:
    """How the loss stands to the level that was carried over; nothing is said of it twice."""
    if level is None or lost is not None:
        return Held(None, back=False)
    return hold(known, level, reference, policy, **whose)


def _armed(arming: Arming | None, monitor: FindingKind) -> dict[str, Any]:
    """How a monitor is set after its rehearsal."""
    one = None if arming is None else arming.of(monitor)
    return {} if one is None else {"raised": one.raised, "armed": one.armed}


def _passed(
    moved: Sequence[Drift],
    seen: Blocks,
    alarms: Sequence[Alarms],
    before: datetime | None,
    model: str,
    version: int,
) -> tuple[Finding, ...]:
    """What came and went since the look before."""
    if before is None:
        return ()
    losses = [finding for one in alarms for finding in one.passed]
    return (*losses, *drifted(moved, seen, model, version, before))


def _explained(
    reference: Reference,
    seen: Blocks,
    parts: dict[str, Blocks],
    found: Sequence[Finding],
    minimum: int,
) -> Attribution | None:
    """Why the loss has changed since the first of the findings began."""
    since = min((align(one.since, seen.length) for one in found), default=None)
    change = next(
        (
            one.value - one.reference
            for one in found
            if one.kind == "realised_loss" and one.subject != HELD
            and one.value is not None and one.reference is not None
        ),
        None,
    )  # fmt: skip
    return attribute(reference, seen, parts, since=since, measured=change, minimum=minimum)


def _found(
    alarms: Sequence[Finding],
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
        *alarms,
        *contract_findings(
            reference, seen, parts, model=model, version=version, minimum=policy.minimum
        ),
        *drifted(moved, seen, model, version, None),
        *silent(seen, model, version),
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
