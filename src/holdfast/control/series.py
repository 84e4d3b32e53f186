"""What the panel of quality over time is made of. Times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from holdfast.control.panels import Reading


@dataclass(frozen=True, slots=True)
class QualityPoint:
    """One block of time in the quality chart and its table, as far as one version was live.

    Args:
        rows: predictions; ``labelled`` of them have a label by now.
        realised: mean loss of the labelled, with its interval.
        estimated: mean loss estimated without labels, with its interval.
        reason: why there is no estimate.
        corrected: mean loss of a young block, corrected for the labels that are still to come.
        adapted: mean loss estimated without labels, following a shift of the inputs.
    """

    start: datetime
    end: datetime
    version: int
    rows: int
    labelled: int = 0
    realised: float | None = None
    realised_low: float | None = None
    realised_high: float | None = None
    estimated: float | None = None
    estimated_low: float | None = None
    estimated_high: float | None = None
    reason: str = ""
    corrected: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None
    corrected_reason: str = ""
    adapted: float | None = None
    adapted_low: float | None = None
    adapted_high: float | None = None
    adapted_reason: str = ""

    @property
    def maturity(self) -> float:
        """Share of the predictions whose label is known."""
        return self.labelled / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment in the quality chart: a change of the live version, or a finding."""

    at: datetime
    kind: Literal["version", "finding"]
    text: str


@dataclass(frozen=True, slots=True)
class Level:
    """What the loss of one version is held against while it is live.

    Args:
        start: when it went live; ``end`` when another did, or None.
        reference: mean loss on its held-out rows.
        tolerated: loss up to which nobody is woken.
    """

    version: int
    start: datetime
    end: datetime | None
    reference: float | None = None
    tolerated: float | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart for windows of one kind, and how much time a point of it stands for, in words."""

    chart: Markup
    grain: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality over time, of all versions that were live.

    Args:
        points: blocks of time in order; where one version took over from another, one for each.
        levels: one for each time that a version was live, in order.
        live: that of the live version; None before it was looked at.
        omitted: older blocks that are not shown.
        wide: the chart for wide windows; ``narrow`` the one for telephones.
        labels: outcomes known of what is shown.
        empty: why there is nothing to show.
    """

    points: tuple[QualityPoint, ...] = ()
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    live: Level | None = None
    omitted: int = 0
    wide: Drawing | None = None
    narrow: Drawing | None = None
    realised: Reading | None = None
    estimated: Reading | None = None
    corrected: Reading | None = None
    labels: int = 0
    empty: str = ""

    def drew(self, name: Literal["corrected", "adapted"]) -> bool:
        """Whether some point has such a loss."""
        return any(getattr(point, name) is not None for point in self.points)

    def told(self, name: Literal["corrected", "adapted"]) -> bool:
        """Whether some point has such a loss, or says why not."""
        return self.drew(name) or any(getattr(one, f"{name}_reason") for one in self.points)
