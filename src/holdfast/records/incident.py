"""An incident: the open story of one model going wrong."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time


class Cause(Record, frozen=True, kw_only=True):
    """What one input or slice carries of a rise of the mean loss.

    Args:
        kind: ``input`` or ``slice``.
        subject: the column, or the slice such as ``origin=JFK``.
        loss: the rise of the mean loss that goes with it; ``low`` and ``high`` are its 95 % bounds.
        share: ``loss`` of the whole rise, with its bounds; None when the whole is not known.
    """

    kind: Literal["input", "slice"]
    subject: str
    loss: float
    low: float
    high: float
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None


class Causes(Record, frozen=True, kw_only=True):
    """What carries the rise of the loss behind an incident, or why nothing can be said.

    Args:
        sentence: all of it, for people.
        top: what carries most, first; empty when nothing is shown to carry any.
        rise: of the mean loss: as labels tell, else as the predictions tell; None when not known.
        measured: whether labels tell it.
        unexplained: the part of a measured rise that goes with no change of the inputs.
        rows: predictions that were looked at; 0 when there was nothing to look at.
    """

    sentence: str
    top: tuple[Cause, ...] = ()
    rise: float | None = None
    measured: bool = False
    unexplained: float | None = None
    rows: int = 0


class Incident(Record, frozen=True, kw_only=True):
    """Findings, decisions and actions, until closed.

    Args:
        acknowledged_by: who said that he looks after it.
        troubles: kinds of what pages, and actions that people must know of, so far: when one is
            added, the incident got worse.
        causes: what carries the loss, as the newest look with findings says; None when it is about
            neither quality nor drift.
        level: the measured loss that was tolerated when it began; what goes live meanwhile is held
            to it. None when it is not about measured loss.
    """

    id: str
    model: str
    version: int
    state: Literal["open", "closed"]
    title: str
    opened_at: Time
    paged: bool = False
    closed_at: Time | None = None
    closed_because: str = ""
    findings: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    acknowledged_by: str = ""
    troubles: tuple[str, ...] = ()
    causes: Causes | None = None
    level: float | None = None
