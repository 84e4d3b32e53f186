"""What a report cannot say, one sentence each: silence would read as "all is well"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from holdfast.control.report.hindsight import paired
from holdfast.control.seen import SeenLook
from holdfast.control.series import QualityPoint
from holdfast.control.words import number, when
from holdfast.loop.stints import Stint


def unknown(
    lived: Sequence[Stint],
    looks: Sequence[SeenLook],
    points: Sequence[QualityPoint],
    recorded: datetime | None,
    end: datetime,
) -> Iterator[str]:
    """What is not known of the window.

    Args:
        lived: when versions were live in it.
        looks: all that are kept.
        points: the blocks of the window.
        recorded: up to when everything is in the log; None before the first record.
        end: of the window.
    """
    if not lived:
        yield "No version was live in this window, so there is nothing to measure."
        return
    if recorded is None:
        yield "Nothing has been recorded yet."
    elif recorded < end:
        yield f"What was answered after {when(recorded)} is not in the log yet."
    seen = {(look.version, look.since) for look in looks}
    for one in lived:
        if one[:2] not in seen:
            yield (
                f"The monitor has not looked at version {one.version} since it went live on "
                f"{when(one.since)}: no complete block of predictions, or it does not run."
            )
    if not points:
        return
    rows, labelled = (sum(getattr(p, name) for p in points) for name in ("rows", "labelled"))
    if not labelled:
        yield "No label has come in for this window: the quality was estimated, never measured."
    elif labelled < rows:
        yield (
            f"{number(rows - labelled)} of {number(rows)} predictions have no label yet; what "
            "is measured may change when theirs come."
        )
    refused = sorted({p.reason for p in points if p.estimated is None and p.reason})
    count = sum(p.estimated is None for p in points)
    if count and refused:
        blocks = "1 block" if count == 1 else f"{number(count)} blocks"
        yield f"The quality of {blocks} could not be estimated: {'; '.join(refused[:3])}."
    if not paired(points):
        yield "No estimate of this window can be held against labels yet."
