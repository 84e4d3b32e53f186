"""Arming: how often a version's monitors would have paged where nothing was wrong."""

from __future__ import annotations

from holdfast.records.base import Record
from holdfast.records.finding import FindingKind


class Armed(Record, frozen=True, kw_only=True):
    """One monitor after its rehearsal.

    Args:
        monitor: the kind of finding it makes.
        budget: false pages a month that it may send.
        replayed: those it sent in the rehearsal; None when there was nothing to rehearse on.
        first: those it would have sent with the run length that the budget alone asks for.
        raised: by how much its run length was multiplied.
        armed: whether it may page.
        sentence: the same for people.
    """

    monitor: FindingKind
    budget: float
    replayed: float | None
    first: float | None
    raised: float
    armed: bool
    sentence: str


class Arming(Record, frozen=True, kw_only=True):
    """The monitors of one version under one policy.

    Args:
        policy: digest of what the rehearsal depends on.
    """

    policy: str
    monitors: tuple[Armed, ...]

    def of(self, monitor: FindingKind) -> Armed | None:
        """One monitor, if it was rehearsed."""
        return next((one for one in self.monitors if one.monitor == monitor), None)
