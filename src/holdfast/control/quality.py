"""Quality of one model over time, from the looks at all its versions, for its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from holdfast.control.panels import Badge, Reading
from holdfast.control.points import grain, merged, points
from holdfast.control.quality_chart import quality_chart
from holdfast.control.seen import SeenCohort, SeenCorrected, SeenEstimate, SeenLook
from holdfast.control.series import Drawing, Level, Mark, Quality, QualityPoint
from holdfast.control.words import number, spelled
from holdfast.loop.stints import Stint
from holdfast.records import Finding
from holdfast.spec import Monitor

SHOWN = 400
"""Most blocks in a chart; the API has all of them."""

_MATURE = 0.8
_WIDE, _NARROW = (1080, 300, 75), (350, 250, 30)  # width, height, points that can be told apart


def current(looks: Sequence[SeenLook], lived: Sequence[Stint]) -> SeenLook | None:
    """The look at the version that is live, since it went live."""
    live = lived[-1] if lived else None
    same = (one for one in looks if live and (one.version, one.since) == live[:2])
    return next(same, None)


def quality(
    looks: Sequence[SeenLook],
    policy: Monitor,
    lived: Sequence[Stint],
    findings: Sequence[Finding],
) -> Quality:
    """Quality over time with its chart.

    Args:
        looks: all that are kept.
        policy: ``[monitor]``.
        lived: when versions were live, oldest first.
        findings: any; only those about loss are marked.
    """
    now = current(looks, lived)
    levels = levels_of(looks, lived)
    live = levels[-1] if levels and now is not None else None
    series = points(looks, lived, policy.block)
    if not series:
        return Quality(live=live, empty="The monitor has not looked at it yet.")
    omitted = max(len(series) - SHOWN, 0)
    shown = series[omitted:]
    panel = Quality(
        points=shown,
        marks=marks_of(lived, findings, shown),
        levels=levels,
        live=live,
        omitted=omitted,
        realised=measured(now),
        estimated=estimated(now),
        corrected=corrected(now),
        labels=sum(point.labelled for point in shown),
    )
    return drawn(panel, policy.block)


def drawn(panel: Quality, block: timedelta) -> Quality:
    """The panel with its charts, or with why there is nothing to draw.

    Args:
        panel: with at least one point.
        block: length of a block.
    """
    if all(point.realised is None and point.estimated is None for point in panel.points):
        return replace(panel, empty=_nothing(panel.points))
    wide, narrow = (_drawing(panel, block, *size) for size in (_WIDE, _NARROW))
    return replace(panel, wide=wide, narrow=narrow)


def levels_of(looks: Sequence[SeenLook], lived: Sequence[Stint]) -> tuple[Level, ...]:
    """What the loss is held against in each time that a version was live and looked at."""
    known = {(look.version, look.since): look for look in looks}
    found = ((stint, known.get(stint[:2])) for stint in lived)
    return tuple(
        Level(stint.version, stint.since, stint.until, look.reference, look.tolerated)
        for stint, look in found
        if look is not None
    )


def marks_of(
    lived: Sequence[Stint], findings: Sequence[Finding], shown: Sequence[QualityPoint]
) -> tuple[Mark, ...]:
    """Versions that went live and findings about loss since the first point, with the version
    that was live by then.
    """
    marks = (*_versions(lived), *_findings(findings))
    older = [m for m in marks if m.kind == "version" and m.at < shown[0].start]
    return (*older[-1:], *(mark for mark in marks if mark.at >= shown[0].start))


def _nothing(shown: Sequence[QualityPoint]) -> str:
    """Why looks with blocks have nothing to draw."""
    rows = sum(point.rows for point in shown)
    reason = shown[-1].reason
    why = f" Last block: {reason}." if reason else ""
    return f"{number(rows)} predictions so far, without a label or enough for an estimate.{why}"


def _drawing(panel: Quality, block: timedelta, width: int, height: int, most: int) -> Drawing:
    length = grain(panel.points, block, most)
    series = merged(panel.points, length) if length > block else panel.points
    chart = quality_chart(series, panel.marks, panel.levels, width=width, height=height)
    return Drawing(chart, spelled(length))


def measured(look: SeenLook | None) -> Reading:
    """The newest realised loss: of a cohort most of whose labels are known, else of any."""
    cohorts: Sequence[SeenCohort] = () if look is None else look.quality
    with_labels = [one for one in cohorts if one.loss is not None]
    mature = [one for one in with_labels if one.labelled >= _MATURE * one.rows]
    best = (mature or with_labels)[-1:]
    if look is None or not best:
        return Reading(badge=Badge("no labels yet"), note="No label has come in yet.")
    one = best[0]
    partly = "" if mature else "; the others may differ"
    return _measured(look, one, one, f"labelled{partly}")


def corrected(look: SeenLook | None) -> Reading | None:
    """The newest block whose missing labels could be made up for; None when all are there.

    When nothing can be said of the newest block that lacks labels, the reason.
    """
    young = [one for one in look.quality if one.corrected is not None] if look else []
    known = [one for one in young if one.corrected and one.corrected.loss is not None]
    if look is None or not young:
        return None
    if not known:
        reason = young[-1].corrected.reason if young[-1].corrected else ""
        return Reading(badge=Badge("not known"), at=young[-1].start, note=reason)
    one, later = known[-1], known[-1].corrected
    assert later is not None
    return _measured(look, one, later, "labelled so far")


def _measured(
    look: SeenLook, cohort: SeenCohort, loss: SeenCohort | SeenCorrected, how: str
) -> Reading:
    """A loss of one cohort, as its labels are or as they will be."""
    return Reading(
        badge=_against(loss.loss, loss.low, look.tolerated),
        value=loss.loss,
        low=loss.low,
        high=loss.high,
        at=cohort.start,
        note=f"{number(cohort.labelled)} of {number(cohort.rows)} {how}",
    )


def estimated(look: SeenLook | None) -> Reading:
    """The newest loss that was estimated without labels."""
    one = look.estimates[-1] if look and look.estimates else SeenEstimate()
    at = look.starts[-1] if look and look.starts else None
    if look is None or one.value is None:
        note = one.reason or "No complete block of predictions yet."
        return Reading(badge=Badge("not known"), at=at, note=note)
    return Reading(
        badge=_against(one.value, one.low, look.tolerated),
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


def _versions(lived: Sequence[Stint]) -> list[Mark]:
    return [Mark(at=one.since, kind="version", text=f"v{one.version}") for one in lived]


def _findings(findings: Sequence[Finding]) -> list[Mark]:
    return [
        Mark(at=one.at, kind="finding", text=one.sentence)
        for one in findings
        if one.kind in ("realised_loss", "estimated_loss")
    ]
