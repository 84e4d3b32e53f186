"""Quality and drift of one model, from the last look, for its page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from markupsafe import Markup

from holdfast.control.charts import effect_bar, quality_chart, trend
from holdfast.control.panels import (
    Badge,
    DriftLine,
    DriftPanel,
    Mark,
    Quality,
    QualityPoint,
    Reading,
)
from holdfast.control.seen import SeenCohort, SeenDrift, SeenEstimate, SeenLook
from holdfast.control.words import number
from holdfast.errors import HoldfastError
from holdfast.loop.container import Container
from holdfast.monitoring.loss_monitor import tolerated
from holdfast.records import Finding, Route, Version
from holdfast.spec import Monitor

SHOWN = 120
"""Most blocks in a chart; older ones are in the prediction log."""

_MATURE = 0.8
_MEASURES = {"rank_wasserstein": "rank distance", "total_variation": "share of rows"}


def levels(
    container: Container, version: Version | None, policy: Monitor
) -> tuple[float | None, float | None]:
    """Loss on the held-out rows, and loss up to which nobody is woken; None when unknown."""
    if version is not None:
        with suppress(HoldfastError, OSError):
            reference = container.reference(version)
            return reference.loss, tolerated(reference, policy)
    return None, None


def quality(
    look: SeenLook | None,
    policy: Monitor,
    levels: tuple[float | None, float | None],
    routes: Sequence[Route],
    findings: Sequence[Finding],
) -> Quality:
    """Quality over time with its chart.

    Args:
        look: the last one; None when there was none.
        policy: ``[monitor]``.
        levels: as :func:`levels` says.
        routes: newest first, for the marks.
        findings: any; only those about loss are marked.
    """
    reference, limit = levels
    points = () if look is None else _points(look)
    if look is None or not points:
        return Quality(
            reference=reference, tolerated=limit, empty="The monitor has not looked at it yet."
        )
    omitted = max(len(points) - SHOWN, 0)
    shown = points[omitted:]
    marks = (*_versions(routes), *_findings(findings))
    estimates = look.estimates[-1] if look.estimates else SeenEstimate()
    panel = Quality(
        points=shown,
        marks=tuple(mark for mark in marks if mark.at >= shown[0].start - policy.block),
        reference=reference,
        tolerated=limit,
        omitted=omitted,
        realised=realised(look.quality, limit),
        estimated=estimated(estimates, look.starts[-1] if look.starts else None, limit),
        labels=look.labels,
    )
    if all(point.realised is None and point.estimated is None for point in shown):
        return replace(panel, empty=_nothing(shown))
    return replace(
        panel,
        chart=_chart(panel, policy.block, 1080, 300),
        narrow=_chart(replace(panel, points=shown[-45:]), policy.block, 350, 250),
    )


def _nothing(points: Sequence[QualityPoint]) -> str:
    """Why a look with blocks has nothing to draw."""
    rows = sum(point.rows for point in points)
    reason = points[-1].reason
    why = f" Last block: {reason}." if reason else ""
    return f"{number(rows)} predictions so far, without a label or enough for an estimate.{why}"


def _chart(panel: Quality, block: timedelta, width: int, height: int) -> Markup:
    return quality_chart(
        panel.points, panel.marks, reference=panel.reference, tolerated=panel.tolerated,
        block=block, width=width, height=height,
    )  # fmt: skip


def _points(look: SeenLook) -> tuple[QualityPoint, ...]:
    """Blocks of estimates and cohorts of labels, joined by the time they begin."""
    points = {
        start: QualityPoint(
            start=start, rows=rows, estimated=one.value, estimated_low=one.low,
            estimated_high=one.high, reason=one.reason,
        )
        for start, rows, one in zip(look.starts, look.rows, look.estimates, strict=False)
    }  # fmt: skip
    for cohort in look.quality:
        known = points.get(cohort.start, QualityPoint(start=cohort.start, rows=cohort.rows))
        points[cohort.start] = replace(
            known, rows=cohort.rows, labelled=cohort.labelled, realised=cohort.loss,
            realised_low=cohort.low, realised_high=cohort.high,
        )  # fmt: skip
    return tuple(points[start] for start in sorted(points))


def realised(cohorts: Sequence[SeenCohort], limit: float | None) -> Reading:
    """The newest realised loss: of a cohort most of whose labels are known, else of any."""
    with_labels = [one for one in cohorts if one.loss is not None]
    mature = [one for one in with_labels if one.labelled >= _MATURE * one.rows]
    best = (mature or with_labels)[-1:]
    if not best:
        return Reading(badge=Badge("no labels yet"), note="No label has come in yet.")
    one = best[0]
    partly = "" if mature else "; the others may differ"
    return Reading(
        badge=_against(one.loss, one.low, limit),
        value=one.loss,
        low=one.low,
        high=one.high,
        at=one.start,
        note=f"{number(one.labelled)} of {number(one.rows)} labelled{partly}",
    )


def estimated(one: SeenEstimate, at: datetime | None, limit: float | None) -> Reading:
    """The newest loss that was estimated without labels."""
    if one.value is None:
        note = one.reason or "No complete block of predictions yet."
        return Reading(badge=Badge("not known"), at=at, note=note)
    return Reading(
        badge=_against(one.value, one.low, limit),
        value=one.value,
        low=one.low,
        high=one.high,
        at=at,
        note=f"from {number(one.rows)} predictions, without labels",
    )


def _against(value: float | None, low: float | None, limit: float | None) -> Badge:
    if value is None or low is None or limit is None:
        return Badge("not known")
    if low > limit:
        return Badge("above tolerance", "bad")
    if value > limit:
        return Badge("perhaps above tolerance", "warn")
    return Badge("within tolerance", "good")


def _versions(routes: Sequence[Route]) -> list[Mark]:
    """One mark for each change of the version that answers most."""
    marks: list[Mark] = []
    before: int | None = None
    for route in reversed(routes):
        number_now = route.champion.version
        if number_now != before:
            marks.append(Mark(at=route.created_at, kind="version", text=f"v{number_now}"))
        before = number_now
    return marks


def _findings(findings: Sequence[Finding]) -> list[Mark]:
    return [
        Mark(at=one.at, kind="finding", text=one.sentence)
        for one in findings
        if one.kind in ("realised_loss", "estimated_loss")
    ]


def drift(look: SeenLook | None, policy: Monitor) -> DriftPanel:
    """Drift by column in the last complete block, the largest harm first."""
    if look is None or not look.starts:
        return DriftPanel(
            minimum=policy.minimum, empty="No complete block of predictions has been seen yet."
        )
    highs = [value for one in look.drift for value in one.high[-1:] if value is not None]
    floors = [one.floor for one in look.drift]
    top = max([0.25, *(1.1 * value for value in highs), *(1.2 * value for value in floors)])
    lines = [_line(one, min(top, 1.0)) for one in look.drift]
    rank = {"bad": 0, "warn": 1, "good": 2, "quiet": 3}
    lines.sort(key=lambda line: line.column != "prediction")
    lines.sort(key=lambda line: (rank.get(line.verdict.tone, 4), -(line.effect or 0.0)))
    return DriftPanel(lines=tuple(lines), until=look.until, minimum=policy.minimum)


def _line(one: SeenDrift, top: float) -> DriftLine:
    effect, low, high = _last(one.effect), _last(one.low), _last(one.high)
    rows = one.rows[-1] if one.rows else 0
    moved = bool(one.declared and one.declared[-1])
    return DriftLine(
        column=one.column,
        measure=_MEASURES.get(one.measure, one.measure),
        rows=rows,
        effect=effect,
        low=low,
        high=high,
        floor=one.floor,
        harm=_last(one.harm),
        verdict=_verdict(effect, low, one.floor, rows, moved=moved),
        bar=effect_bar(
            effect, low, high, one.floor, top, moved=moved, what=f"Effect of {one.column}"
        ),
        trend=trend(one.effect[-60:], one.floor, top, f"Effect of {one.column} over time")
        if any(value is not None for value in one.effect)
        else None,
    )


def _verdict(
    effect: float | None, low: float | None, floor: float, rows: int, *, moved: bool
) -> Badge:
    if effect is None:
        return Badge(f"not enough data ({number(rows)} rows)")
    if moved:
        return Badge("moved", "bad")
    if low is not None and low > floor:
        return Badge("moving, not yet sure", "warn")
    return Badge("as before", "good")


def _last(values: Sequence[float | None]) -> float | None:
    return values[-1] if values else None
