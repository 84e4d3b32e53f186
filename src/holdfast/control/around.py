"""What was seen around an incident: quality, what moved, and how strong the evidence is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from holdfast.control.points import points
from holdfast.control.quality import drawn, levels_of, marks_of
from holdfast.control.report.columns import column_drift
from holdfast.control.report.numbers import ColumnDrift
from holdfast.control.seen import SeenLook
from holdfast.control.series import Quality
from holdfast.control.words import lasting, number
from holdfast.loop.stints import Stint
from holdfast.monitoring.cells import PREDICTION
from holdfast.records import Finding, Incident

BEFORE, AFTER = 14, 3
"""Blocks that are shown before the first evidence, and after the end."""

CAUSES = 8
_UNITS = {"realised_loss": "label", "estimated_loss": "block"}


class Window(NamedTuple):
    """The time around an incident; ``end`` is the first moment after it."""

    start: datetime
    end: datetime


def window_of(
    incident: Incident, findings: Sequence[Finding], block: timedelta, now: datetime
) -> Window:
    """From well before the first evidence until a little after the incident was closed, or now."""
    first = min([incident.opened_at, *(one.since for one in findings)])
    last = incident.closed_at + AFTER * block if incident.closed_at else now
    return Window(first - BEFORE * block, min(last, max(now, incident.opened_at)))


def quality_around(
    looks: Sequence[SeenLook],
    lived: Sequence[Stint],
    findings: Sequence[Finding],
    block: timedelta,
    window: Window,
) -> Quality:
    """The panel of quality, with the blocks of the window only."""
    shown = tuple(
        one for one in points(looks, lived, block) if window.start < one.end <= window.end + block
    )
    if not shown:
        return Quality(empty="No block of predictions around this incident was looked at.")
    levels = levels_of(looks, lived)
    level = [one for one in levels if one.start < window.end]
    panel = Quality(
        points=shown, marks=marks_of(lived, findings, shown), levels=levels,
        live=level[-1] if level else None, labels=sum(one.labelled for one in shown),
    )  # fmt: skip
    return drawn(panel, block)


class Causes(NamedTuple):
    """What may have been behind an incident.

    Args:
        moved: inputs that were shown to have moved, those first whose drift was expected to cost
            most.
        known: whether there were enough rows to tell.
    """

    moved: tuple[ColumnDrift, ...]
    known: bool


def causes(
    looks: Sequence[SeenLook], lived: Sequence[Stint], block: timedelta, window: Window
) -> Causes:
    """What moved in the window."""
    found = column_drift(looks, lived, block, window.start, window.end)
    moved = [one for one in found if one.moved and one.column != PREDICTION]
    moved.sort(key=lambda one: one.cost, reverse=True)
    return Causes(tuple(moved[:CAUSES]), any(one.known for one in found))


def strength(finding: Finding) -> str:
    """How long the monitor took, on how much, and how often it would say so by mistake.

    The statistic of an e-detector exceeds A, while nothing is wrong, after at least A steps on
    average: that run length is what its threshold means.
    """
    took = lasting(finding.at - finding.since)
    unit = _UNITS.get(finding.kind)
    rows = f", on {number(finding.rows)} {'labels' if unit == 'label' else 'predictions'}"
    text = f"Found {took} after the first evidence{rows if finding.rows else ''}."
    if unit is None or finding.log_threshold is None:
        return text
    run = round(math.exp(finding.log_threshold))
    text += (
        f" While nothing is wrong, this monitor says so at most once in {number(run)} {unit}s on "
        "average"
    )
    if finding.log_e is None:
        return f"{text}."
    over = finding.log_e - finding.log_threshold
    times = "over 1,000" if over > math.log(1000) else f"{math.exp(over):.2g}"
    return f"{text}; its evidence was {times} times what that asks for."
