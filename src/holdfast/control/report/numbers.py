"""What a report knows, as numbers: also what ``holdfast report --json`` prints.

Losses are mean bounded losses in [0, 1], less is better; intervals are of 95 %; times are aware
UTC. None means that nothing can be said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.control.series import Level, QualityPoint
from holdfast.control.trust import TrustLine
from holdfast.records import Decision, Finding, Incident, Release, Spell


@dataclass(frozen=True, slots=True)
class Lived:
    """A time in which a version was live.

    Args:
        since: when it went live, also before the window.
        until: when another took over; None while it is live.
    """

    version: int
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one version answered to callers in the window.

    Args:
        rows: answered; ``failed`` of them without an answer.
        typical: median time that the version took, in seconds; ``slowest`` the 99th percentile.
    """

    version: int
    rows: int
    failed: int
    typical: float | None
    slowest: float | None


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Past estimates beside what the labels said later, block by block.

    Args:
        blocks: with an estimate, and labels for at least 80 % of their predictions.
        agreed: blocks whose two values are no further apart than their intervals allow together
            (root of the sum of squares); 95 % of blocks should be.
        bias: mean of estimated minus measured; ``error`` the mean of its size.
    """

    blocks: int
    agreed: int
    bias: float | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class DriftBlock:
    """How far one column lay from the held-out rows in one block of predictions.

    Args:
        effect: distance in [0, 1]; None without enough rows.
        floor: what is usual.
        moved: whether it was shown to have moved.
    """

    start: datetime
    end: datetime
    version: int
    rows: int
    effect: float | None
    low: float | None
    high: float | None
    floor: float
    harm: float | None
    moved: bool


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column over the window; ``prediction`` is what the versions answered.

    Args:
        slice: of whose rows, such as ``origin=JFK``; "" for all.
    """

    column: str
    measure: str
    blocks: tuple[DriftBlock, ...]
    slice: str = ""

    @property
    def name(self) -> str:
        """The column, and whose rows."""
        return f"{self.column} where {self.slice}" if self.slice else self.column

    @property
    def known(self) -> tuple[DriftBlock, ...]:
        """The blocks with enough rows."""
        return tuple(one for one in self.blocks if one.effect is not None)

    @property
    def moved(self) -> int:
        """In how many blocks it was shown to have moved."""
        return sum(one.moved for one in self.blocks)

    @property
    def cost(self) -> float:
        """The most that its drift was expected to add to the mean loss, in a block that moved."""
        return max((one.harm or 0.0 for one in self.blocks if one.moved), default=0.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One group of values: its share of the held-out rows, and of the rows of the window."""

    text: str
    held_out: float
    window: float


@dataclass(frozen=True, slots=True)
class ColumnShares:
    """What came in for one column, beside the held-out rows.

    Args:
        rows: of the window.
        null: share of the values that are null; ``null_before`` on the held-out rows.
        outside: share beyond the range of the held-out rows, or of values never seen there.
        bars: the shape: values in order, or the most frequent categories.
    """

    column: str
    kind: str
    rows: int
    null_before: float
    null: float
    outside: float
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceQuality:
    """Quality where a column has one value.

    Args:
        held_out: mean loss on the held-out rows with this value.
    """

    column: str
    value: str
    rows: int
    labelled: int
    realised: float | None = None
    realised_low: float | None = None
    realised_high: float | None = None
    held_out: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One model over a window.

    Args:
        start: of the window; ``end`` is the first moment after it.
        at: when the report was made; labels known then count.
        block: length of time that one look is about.
        recorded_until: prediction time up to which everything is in the log.
        lived: the times in which versions were live that touch the window, oldest first.
        traffic: one a version that answered, in the order of versions.
        volume: predictions of each block of the window, failed ones included.
        by_version: quality of each time that a version was live, as one point.
        points: quality of each block.
        levels: what it is held against.
        shares: of the version that was live last; empty when they cannot be known.
        sliced: columns whose values the spec watches one by one.
        spells: times in which inputs broke the contract hard.
        findings: of the window, and those behind its incidents; newest first.
        quiet: decisions of the window that nothing was to be done; they are not listed.
        trust: how far the monitor of the version that was live last can be believed.
        unknown: one sentence for each thing that cannot be said.
        drift_slices: in which slices drift was looked for last, in words.
    """

    model: str
    task: str
    start: datetime
    end: datetime
    at: datetime
    block: timedelta
    minimum: int
    recorded_until: datetime | None
    lived: tuple[Lived, ...]
    traffic: tuple[Traffic, ...]
    volume: tuple[tuple[datetime, int], ...]
    by_version: tuple[QualityPoint, ...]
    points: tuple[QualityPoint, ...]
    levels: tuple[Level, ...]
    hindsight: Hindsight
    drift: tuple[ColumnDrift, ...]
    shares: tuple[ColumnShares, ...]
    spells: tuple[Spell, ...]
    sliced: tuple[str, ...]
    slices: tuple[SliceQuality, ...]
    findings: tuple[Finding, ...]
    incidents: tuple[Incident, ...]
    releases: tuple[Release, ...]
    decisions: tuple[Decision, ...]
    quiet: int
    trust: tuple[TrustLine, ...]
    unknown: tuple[str, ...]
    drift_slices: str = ""

    @property
    def rows(self) -> int:
        """Predictions answered to callers."""
        return sum(one.rows for one in self.traffic)
