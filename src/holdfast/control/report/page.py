"""The page of a report: its numbers with the charts drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from holdfast.control.evidence import state_badge
from holdfast.control.panels import Badge
from holdfast.control.quality import drawn, marks_of
from holdfast.control.report.drawings import Span, agreement, lanes, shape, slice_bar, volume
from holdfast.control.report.drift_map import drift_map
from holdfast.control.report.hindsight import paired
from holdfast.control.report.lead import judged, lead
from holdfast.control.report.numbers import (
    ColumnDrift,
    ColumnShares,
    DriftBlock,
    Report,
    SliceQuality,
)
from holdfast.control.series import Quality
from holdfast.control.templating import standalone
from holdfast.control.words import state_of, when
from holdfast.loop.stints import Stint
from holdfast.records import Release

_WIDE, _NARROW = 1080, 350
SHAPES = 7
"""Columns whose shape is drawn: the prediction, and those that lie furthest from the held-out."""


@dataclass(frozen=True, slots=True)
class Both:
    """One chart for wide windows and paper, and one for telephones."""

    wide: Markup
    narrow: Markup


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One column in the table of drift.

    Args:
        last: newest block with enough rows; None when there is none.
        peak: the block that lay furthest from what is usual.
    """

    drift: ColumnDrift
    last: DriftBlock | None
    peak: DriftBlock | None
    badge: Badge


@dataclass(frozen=True, slots=True)
class ReportPage:
    """All that ``report.html`` shows.

    Args:
        sentences: what happened, in plain words.
        judged: how past estimates did, in a sentence.
        shapes: column and drawing.
        slices: with the drawing of each.
        releases: with the badge of each.
    """

    title: str
    at: datetime
    report: Report
    sentences: tuple[str, ...]
    lanes: Both | None
    volume: Both | None
    quality: Quality
    judged: str
    agreement: Markup | None
    map: Both | None
    drift: tuple[DriftRow, ...]
    shapes: tuple[tuple[ColumnShares, Markup], ...]
    slices: tuple[tuple[SliceQuality, Markup], ...]
    releases: tuple[tuple[Release, Badge], ...]


def html(report: Report) -> str:
    """The report as one HTML file."""
    return standalone("report.html", report_page(report))


def report_page(report: Report) -> ReportPage:
    """What the page shows."""
    judgeable = paired(report.points)
    return ReportPage(
        title=f"Report on {report.model}",
        at=report.at,
        report=report,
        sentences=tuple(lead(report)),
        lanes=_lanes(report) if report.lived else None,
        volume=both(lambda width: volume(report.volume, report.block, width))
        if report.volume
        else None,
        quality=_quality(report),
        judged=judged(report.hindsight),
        agreement=agreement(judgeable) if judgeable else None,
        map=_map(report) if any(one.known for one in report.drift) else None,
        drift=tuple(_row(one) for one in report.drift),
        shapes=tuple(
            (one, shape(one.bars, one.column, numeric=one.kind == "numeric"))
            for one in _furthest(report)
        ),
        slices=_slices(report.slices),
        releases=tuple((one, state_badge(one)) for one in report.releases),
    )


def both(draw: Callable[[int], Markup]) -> Both:
    """A chart drawn twice; ``draw`` takes the width."""
    return Both(draw(_WIDE), draw(_NARROW))


def _quality(report: Report) -> Quality:
    """The panel of the dashboard, over the window."""
    if not report.points:
        return Quality(empty="Nothing was seen in this window.")
    lived = [Stint(one.version, one.since, one.until) for one in report.lived]
    panel = Quality(
        points=report.points,
        marks=marks_of(lived, report.findings, report.points),
        levels=report.levels,
        live=report.levels[-1] if report.levels else None,
        labels=sum(point.labelled for point in report.points),
    )
    return drawn(panel, report.block)


def _lanes(report: Report) -> Both:
    named = (
        ("live", tuple(_live(report))),
        ("releases", tuple(_released(report))),
        ("incidents", tuple(_wrong(report))),
        ("bad inputs", tuple(_broken(report))),
    )
    shown = [(name, spans) for name, spans in named if spans or name in ("live", "incidents")]
    return both(lambda width: lanes(report.start, report.end, shown, width))


def _live(report: Report) -> Iterator[Span]:
    for place, one in enumerate(report.lived):
        until = report.end if one.until is None else one.until
        told = f"version {one.version} live since {when(one.since)}"
        tone = "even" if place % 2 else "odd"
        yield Span(
            max(one.since, report.start), min(until, report.end), f"v{one.version}", told, tone
        )


def _released(report: Report) -> Iterator[Span]:
    for one in report.releases:
        end = one.step_at if one.state.ended else report.end
        told = f"release of version {one.version}, begun {when(one.started_at)}: {state_of(one)}"
        start = max(one.started_at, report.start)
        text = f"v{one.version} {state_of(one)}"
        yield Span(start, max(min(end, report.end), start), text, told, state_badge(one).tone)


def _wrong(report: Report) -> Iterator[Span]:
    for one in report.incidents:
        end = report.end if one.closed_at is None else min(one.closed_at, report.end)
        tone = "bad" if one.paged else "warn"
        start = max(one.opened_at, report.start)
        yield Span(start, max(end, start), f"v{one.version} {one.state}", one.title, tone)


def _broken(report: Report) -> Iterator[Span]:
    for one in report.spells:
        start, end = max(one.start, report.start), min(one.end, report.end)
        yield Span(start, end, one.why, f"{when(one.start)} to {when(one.end)}: {one.why}", "bad")


def _map(report: Report) -> Both:
    changes = [one.since for one in report.lived]
    return both(
        lambda width: drift_map(
            report.drift, report.start, report.end, report.block, changes, width
        )
    )


def _row(one: ColumnDrift) -> DriftRow:
    known = one.known
    if not known:
        return DriftRow(one, None, None, Badge("not enough data"))
    last = known[-1]
    peak = max(known, key=lambda block: (block.effect or 0.0) / max(block.floor, 1e-9))
    if last.moved:
        badge = Badge("moved", "bad")
    elif one.moved:
        badge = Badge("moved, and back", "warn")
    else:
        badge = Badge("as before", "good")
    return DriftRow(one, last, peak, badge)


def _furthest(report: Report) -> list[ColumnShares]:
    """The prediction, then the columns whose shares differ most from the held-out rows."""

    def apart(one: ColumnShares) -> float:
        return sum(abs(bar.window - bar.held_out) for bar in one.bars)

    ordered = sorted(report.shares, key=lambda one: (one.column != "prediction", -apart(one)))
    return [one for one in ordered if one.rows >= report.minimum and one.bars][:SHAPES]


def _slices(found: Sequence[SliceQuality]) -> tuple[tuple[SliceQuality, Markup], ...]:
    tops = [v for one in found for v in (one.realised_high, one.held_out) if v is not None]
    top = min(max([*tops, 1e-9]) * 1.05, 1.0)
    return tuple((one, slice_bar(one, top)) for one in found)
