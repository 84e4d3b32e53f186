"""The parts that pages are made of, each a frozen dataclass.

Times are aware UTC; ``Markup`` is SVG that :mod:`holdfast.control.charts` drew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from holdfast.records import (
    Incident,
    Metric,
    Release,
    ServerReport,
    Verdict,
    Version,
)  # fmt: skip

Tone = Literal["good", "warn", "bad", "quiet", "busy"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A state: always words, with a mark and a colour that go with them."""

    text: str
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured or estimated loss.

    Args:
        value: mean bounded loss; None when nothing can be said.
        low: lower bound of its 95 % interval; ``high`` the upper.
        at: start of the block of predictions it is about.
        badge: how it stands to the tolerance.
        note: on how many rows it stands, or why nothing can be said.
    """

    badge: Badge
    value: float | None = None
    low: float | None = None
    high: float | None = None
    at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model in the list of models.

    Args:
        since: when the live version began to answer most requests.
        spark: predictions of each of the last 24 hours, drawn; None when there were none.
        trouble: why the model cannot be shown, such as a wrong spec.
    """

    name: str
    task: str = ""
    live: int | None = None
    since: datetime | None = None
    health: Badge = field(default_factory=lambda: Badge("unknown"))
    incident: Incident | None = None
    predictions: int = 0
    spark: Markup | None = None
    estimated: Reading | None = None
    realised: Reading | None = None
    release: Release | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class DriftLine:
    """One column in the drift table.

    Args:
        column: a feature, or ``prediction``.
        slice: of whose rows, such as ``origin=JFK``; "" for all.
        measure: what the effect is, in words.
        rows: of the last block.
        effect: distance from the held-out rows in [0, 1]; None without enough data.
        floor: what the lower bound must exceed to count.
        harm: expected change of the mean loss.
        bar: effect, interval and floor, drawn; ``trend`` the effect of each block.
    """

    column: str
    measure: str
    rows: int
    effect: float | None
    low: float | None
    high: float | None
    floor: float
    harm: float | None
    verdict: Badge
    bar: Markup
    trend: Markup | None
    slice: str = ""


@dataclass(frozen=True, slots=True)
class DriftPanel:
    """Drift by feature, in the last complete block that ended at ``until``.

    Args:
        lines: every column, and of slices those that moved or may have.
        slices: in which slices drift was looked for, in words; "" when none are named.
        quiet: whether none of them moved.
    """

    lines: tuple[DriftLine, ...] = ()
    until: datetime | None = None
    minimum: int = 0
    empty: str = ""
    season: str = ""
    slices: str = ""
    quiet: bool = True


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of a release: what it does, and whether it is done, now or next."""

    text: str
    state: Literal["done", "now", "next"]


@dataclass(frozen=True, slots=True)
class ReleasePanel:
    """The release that is under way or watched.

    Args:
        steps: the whole way, from the first step to the end of the watch.
        evidence: one sentence for each thing that is known.
    """

    release: Release
    badge: Badge
    steps: tuple[StepLine, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version with what became of it.

    Args:
        role: ``live``, or the state of its newest release.
        metric: the gate's metric on its held-out rows; None when it was not measured.
        served_by: ``ONNX``, or ``native`` and why.
        compiled: how far the compiled model agrees with the original.
        back: whether it was live before and can be again.
    """

    version: Version
    role: Badge | None
    verdict: Verdict | None
    outcome: Badge
    metric: Metric | None
    served_by: str
    compiled: str = ""
    back: bool = False


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One event of the audit log."""

    seq: int
    at: datetime
    kind: str
    actor: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A server: the epoch it serves, and whether that is the one it should serve."""

    report: ServerReport
    epoch: int | None
    state: Badge


@dataclass(frozen=True, slots=True)
class Flash:
    """What an order just did."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class RollbackChoice:
    """What a rollback would do.

    Args:
        live: the version that answers most now.
        back_to: the one that would answer everything: the version before, or, while a release is
            under way, the live one.
        others: further versions that were live before.
        ends: version of the release under way, which ends.
    """

    live: int
    back_to: int
    others: tuple[int, ...] = ()
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of an incident's timeline.

    Args:
        place: order among entries of the same time: causes come before what was done.
    """

    at: datetime
    kind: str
    tone: Tone
    text: str
    who: str = ""
    place: int = 0
