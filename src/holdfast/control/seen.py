"""The stored look, as far as pages show it.

Read leniently: a look that an older or newer Holdfast wrote shows what it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from holdfast.records import Arming, Spell


class SeenCorrected(msgspec.Struct, frozen=True):
    """Quality of a young block; see :class:`holdfast.monitoring.quality.Corrected`."""

    loss: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


class SeenCohort(msgspec.Struct, frozen=True):
    """Realised quality of one block; see :class:`holdfast.monitoring.quality.Cohort`."""

    start: datetime
    rows: int
    labelled: int
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    corrected: SeenCorrected | None = None


class SeenEstimate(msgspec.Struct, frozen=True):
    """Estimated quality of one block; see :class:`holdfast.monitoring.estimate.Estimate`."""

    rows: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


class SeenTrack(msgspec.Struct, frozen=True):
    """Past estimates against later truth; see :class:`holdfast.monitoring.track.Track`."""

    estimate: str
    blocks: int = 0
    held: int = 0
    bias: float | None = None
    error: float | None = None


class SeenStratum(msgspec.Struct, frozen=True):
    """Predictions of one kind; see :class:`holdfast.monitoring.selection.Stratum`."""

    name: str
    rows: int
    labelled: int


class SeenSelection(msgspec.Struct, frozen=True):
    """For which predictions there are labels; see
    :class:`holdfast.monitoring.selection.Selection`.
    """

    rows: int
    labelled: int
    least: SeenStratum | None = None
    most: SeenStratum | None = None
    measured: float | None = None
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    blind: float = 0.0


class SeenDrift(msgspec.Struct, frozen=True):
    """One column over all blocks; see :class:`holdfast.monitoring.drift.Drift`."""

    column: str
    measure: str
    floor: float | list[float]  # one for all blocks in looks of before
    rows: list[int] = []
    effect: list[float | None] = []
    low: list[float | None] = []
    high: list[float | None] = []
    harm: list[float | None] = []
    declared: list[bool] = []
    slice: str = ""

    @property
    def floors(self) -> list[float]:
        """What the lower bound must exceed, block by block."""
        one = self.floor
        return one if isinstance(one, list) else [one] * len(self.effect)


class SeenLook(msgspec.Struct, frozen=True):
    """One look; see :class:`holdfast.monitoring.look.Look`.

    Args:
        version: that was looked at.
        since: when it went live.
        reference: mean loss on its held-out rows.
        tolerated: loss up to which nobody is woken.
        broken: when the inputs broke the contract hard.
        arming: how the monitors did in their rehearsal.
        adapted: estimates that follow a shift of the inputs, one a block.
        track: how good past estimates of each kind were.
        season: what drift was held against, in words.
        selection: whether labels come for all predictions alike.
        sliced: columns of slices that moved, or came nearest to it.
        slices: in which slices drift was looked for, in words.
    """

    until: datetime
    version: int
    since: datetime
    reference: float | None = None
    tolerated: float | None = None
    starts: list[datetime] = []
    rows: list[int] = []
    drift: list[SeenDrift] = []
    estimates: list[SeenEstimate] = []
    quality: list[SeenCohort] = []
    labels: int = 0
    broken: list[Spell] = []
    arming: Arming | None = None
    adapted: list[SeenEstimate] = []
    track: list[SeenTrack] = []
    season: str = ""
    selection: SeenSelection | None = None
    sliced: list[SeenDrift] = []
    slices: str = ""


def read_looks(history: Iterable[bytes]) -> tuple[SeenLook, ...]:
    """Those of several looks that can be read."""
    return tuple(one for one in map(read_look, history) if one is not None)


def read_look(data: bytes | None) -> SeenLook | None:
    """The look, or None when there is none that can be read."""
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=SeenLook)
    except msgspec.MsgspecError:
        return None
