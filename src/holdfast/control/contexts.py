"""What each page is made of: one frozen dataclass a page.

Templates receive nothing else, so whatever a page shows is listed here or in
:mod:`holdfast.control.panels`. Times are aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from holdfast.control.panels import (
    Badge,
    DriftPanel,
    Flash,
    HistoryLine,
    ModelLine,
    Moment,
    ReleasePanel,
    RollbackChoice,
    ServerLine,
    VersionLine,
)
from holdfast.control.report.numbers import ColumnDrift
from holdfast.control.report.page import Both
from holdfast.control.series import Quality
from holdfast.control.trust import TrustLine
from holdfast.gate.card import Card
from holdfast.records import Decision, Finding, Incident, Job, Version


@dataclass(frozen=True, slots=True)
class HomePage:
    """``/``: all models of the installation."""

    title: str
    at: datetime
    models: tuple[ModelLine, ...]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """``/models/{model}``: all about one model.

    Args:
        paused: whether a person has halted the loop; ``note`` says why.
        shares: version and share of the traffic, by the present route.
        trust: how far the monitor of the live version can be believed.
        back: what a rollback would do; None when there is nothing to go back to.
        empty: the command to run next, before anything is live.
    """

    title: str
    at: datetime
    model: str
    task: str
    paused: bool
    note: str
    live: Version | None
    since: datetime | None
    shares: tuple[tuple[int, float], ...]
    health: Badge
    predictions: int
    spark: Markup | None
    recorded_until: datetime | None
    back: RollbackChoice | None
    flash: Flash | None
    quality: Quality
    trust: tuple[TrustLine, ...]
    drift: DriftPanel
    release: ReleasePanel | None
    metric: str
    versions: tuple[VersionLine, ...]
    incidents: tuple[Incident, ...]
    jobs: tuple[Job, ...]
    servers: tuple[ServerLine, ...]
    history: tuple[HistoryLine, ...]
    empty: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """``/models/{model}/history``: the audit log of a model, one page.

    Args:
        before: number of the event this page begins below; None for the newest.
        older: what to ask for the next page; None on the last.
    """

    title: str
    at: datetime
    model: str
    lines: tuple[HistoryLine, ...]
    before: int | None
    older: int | None


@dataclass(frozen=True, slots=True)
class RollbackPage:
    """``/models/{model}/rollback``: asks before it puts an earlier version live."""

    title: str
    at: datetime
    model: str
    back: RollbackChoice


@dataclass(frozen=True, slots=True)
class HaltPage:
    """``/models/{model}/pause``: halts the loop of a model, or lets it go on.

    Args:
        paused: as it is now; ``note`` says why.
    """

    title: str
    at: datetime
    model: str
    paused: bool
    note: str


@dataclass(frozen=True, slots=True)
class CardPage:
    """``/models/{model}/versions/{number}/card``: what a version is, and what the gate found."""

    title: str
    at: datetime
    model: str
    number: int
    card: Card


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """``/incidents/{id}``: the story of one incident, oldest first.

    Args:
        findings: each with how strong its evidence is, in words.
        quality: in the time around the incident.
        causes: columns that were shown to have moved in that time, those first whose drift was
            expected to cost most.
        compared: whether there were enough rows to tell what moved.
        map: drift of these columns; None without them.
    """

    title: str
    at: datetime
    incident: Incident
    findings: tuple[tuple[Finding, str], ...]
    decisions: tuple[Decision, ...]
    timeline: tuple[Moment, ...]
    quality: Quality
    causes: tuple[ColumnDrift, ...]
    compared: bool
    map: Both | None


@dataclass(frozen=True, slots=True)
class SignInPage:
    """``/sign-in``: asks for the token.

    Args:
        onward: path of this site to go to afterwards.
        wrong: whether a wrong token was just given.
        needed: False when the installation asks for none.
    """

    title: str
    onward: str
    wrong: bool
    needed: bool


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Any page that could not be made: what happened, and what to do."""

    title: str
    code: str
    message: str
    fix: str
