"""What people are told, in plain words: what happened, since when, how sure, what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from holdfast.records import (
    Decision,
    Evidence,
    Fact,
    Finding,
    Incident,
    NotificationEvent,
    Record,
    Release,
    ReleaseState,
    Severity,
)
from holdfast.records.base import Time
from holdfast.spec import Topic, format_duration

DONE = {
    "alert": "It tells you, and changed nothing.",
    "retrain": "It trains a new version, which must pass the gate before it is released.",
    "roll_back": "It puts the version before live again.",
    "block": "It holds back the retraining that is called for.",
}
_ENDS: dict[ReleaseState, tuple[str, Severity]] = {
    ReleaseState.WATCHED: ("is live", "info"),
    ReleaseState.PROMOTED: ("stays live; the watch is over", "info"),
    ReleaseState.ABORTED: ("was stopped and did not go live", "warning"),
    ReleaseState.INCONCLUSIVE: ("did not go live; the evidence was too thin", "warning"),
    ReleaseState.ROLLED_BACK: ("was rolled back", "critical"),
}
TOLD_STATES = tuple(_ENDS)
"""States of a release that people are told of."""


class Message(Record, frozen=True, kw_only=True):
    """What is told, before it is known to whom.

    Args:
        cause: the story and what became of it; the same cause is told once.
        page: path of the dashboard's page.
    """

    model: str
    cause: str
    story: str
    topic: Topic
    event: NotificationEvent
    severity: Severity
    title: str
    facts: tuple[Fact, ...]
    command: str
    page: str
    since: Time


def incident_opened(
    incident: Incident, findings: Sequence[Finding], decision: Decision, *, worse: bool
) -> Message:
    """An incident was opened, or got worse."""
    head = "got worse" if worse else "something is wrong"
    facts = [_fact("What happened", _happened(incident, findings, decision))]
    since = min((finding.since for finding in findings), default=incident.opened_at)
    facts.append(_fact("Since", _time(since)))
    facts.append(
        _fact("How sure", " ".join(map(_how_sure, _paging_first(findings)[:3])) or _UNSURE)
    )
    if incident.causes is not None:
        facts.append(_fact("Likely causes", incident.causes.sentence))
    facts.append(_fact("What the loop did", DONE.get(decision.action, "Nothing yet.")))
    return _about(
        incident,
        cause=f"worse-{len(incident.troubles)}" if worse else "opened",
        event="worse" if worse else "opened",
        severity="critical" if incident.paged else "warning",
        title=f"{incident.model} version {incident.version}: {head}: {incident.title}",
        facts=facts,
    )


def incident_acknowledged(incident: Incident) -> Message:
    """Somebody looks after an incident."""
    return _about(
        incident,
        cause="acknowledged",
        event="acknowledged",
        severity="info",
        title=f"{incident.model}: {incident.acknowledged_by} looks after: {incident.title}",
        facts=[
            _fact("What happened", incident.title),
            _fact("Since", _time(incident.opened_at)),
            _fact("Who", incident.acknowledged_by),
        ],
    )


def incident_closed(incident: Incident) -> Message:
    """An incident is over."""
    ended = incident.closed_at or incident.opened_at
    return _about(
        incident,
        cause="closed",
        event="closed",
        severity="info",
        title=f"{incident.model}: over: {incident.title}",
        facts=[
            _fact("What happened", incident.title),
            _fact(
                "Since", f"{_time(incident.opened_at)}, for {_lasted(incident.opened_at, ended)}"
            ),
            _fact("Closed because", incident.closed_because),
        ],
    )


def _about(
    incident: Incident, *, cause: str, event: NotificationEvent, severity: Severity, title: str,
    facts: Sequence[Fact],
) -> Message:  # fmt: skip
    return Message(
        model=incident.model,
        cause=f"{incident.id}:{cause}",
        story=incident.id,
        topic="page" if incident.paged else "alert",
        event=event,
        severity=severity,
        title=title,
        facts=tuple(facts),
        command=f"holdfast incidents --model {incident.model}",
        page=f"/incidents/{incident.id}",
        since=incident.opened_at,
    )


def approval_wanted(release: Release, people: int) -> Message:
    """A release waits until people agree."""
    who = "one person" if people == 1 else f"{people} people"
    return _of(
        release,
        cause="waiting",
        topic="approval",
        event="waiting",
        severity="warning",
        title=f"{release.model} version {release.version} waits for {who} to agree",
        facts=[
            _fact("What happened", f"{release.actor} asks to release it; {release.reason}"),
            _fact("Since", _time(release.started_at)),
            _fact("What the loop did", f"It waits; {release.actor} may not agree to it."),
        ],
        command=f"holdfast release {release.version} --approve --model {release.model}",
    )


def approval_answered(release: Release) -> Message:
    """A release waits for nobody any more."""
    agreed = " and ".join(release.approvals)
    said = f"{agreed} agreed" if agreed else release.reason
    return _of(
        release,
        cause="answered",
        topic="approval",
        event="answered",
        severity="info",
        title=f"{release.model} version {release.version} waits for nobody any more: {said}",
        facts=[
            _fact("What happened", said),
            _fact("Since", _time(release.started_at)),
            _fact("What the loop did", release.reason),
        ],
        command=f"holdfast status --model {release.model}",
    )


def release_ended(release: Release) -> Message:
    """A release went live, or ended."""
    what, severity = _ENDS[release.state]
    facts = [
        _fact("What happened", release.reason),
        _fact("Since", f"{_time(release.step_at)}; the release began {_time(release.started_at)}"),
        _fact("How sure", _seen(release.evidence)),
    ]
    if release.state in (ReleaseState.WATCHED, ReleaseState.PROMOTED):
        facts.append(_fact("What the loop did", f"Version {release.version} answers."))
    elif release.previous is not None:
        facts.append(_fact("What the loop did", f"Version {release.previous} answers."))
    live = release.state == ReleaseState.WATCHED and release.previous is not None
    return _of(
        release,
        cause=release.state.value,
        topic="release",
        event="ended",
        severity=severity,
        title=f"{release.model} version {release.version} {what}",
        facts=facts,
        command=(
            f"holdfast rollback --model {release.model}"
            if live
            else f"holdfast history --model {release.model}"
        ),
    )


def _of(
    release: Release, *, cause: str, topic: Topic, event: NotificationEvent, severity: Severity,
    title: str, facts: Sequence[Fact], command: str,
) -> Message:  # fmt: skip
    return Message(
        model=release.model,
        cause=f"{release.id}:{cause}",
        story=release.id,
        topic=topic,
        event=event,
        severity=severity,
        title=title,
        facts=tuple(facts),
        command=command,
        page=f"/models/{release.model}",
        since=release.started_at,
    )


def trial(model: str, channel: str, story: str, now: datetime) -> Message:
    """A message that is clearly none."""
    return Message(
        model=model,
        cause=f"{story}:test",
        story=story,
        topic="page",
        event="test",
        severity="info",
        title=f"TEST, nothing is wrong: channel {channel} of {model}",
        facts=(
            _fact("What happened", "Somebody ran 'holdfast notify test'."),
            _fact("Since", _time(now)),
            _fact("What the loop did", "Nothing. You need not do anything either."),
        ),
        command="holdfast notify list",
        page=f"/models/{model}",
        since=now,
    )


def _fact(name: str, text: str) -> Fact:
    return Fact(name=name, text=text)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _lasted(begin: datetime, end: datetime) -> str:
    minutes = max(round((end - begin) / timedelta(minutes=1)), 1)
    return format_duration(timedelta(minutes=minutes))


def _paging_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (not one.pages, one.id))


def _happened(incident: Incident, findings: Sequence[Finding], decision: Decision) -> str:
    said = [one.sentence for one in _paging_first(findings)[:3]]
    if not said:
        said = [decision.reason or incident.title]
    more = len(findings) - 3
    return " ".join(said) + (f" And {more} more." if more > 0 else "")


_UNSURE = "It follows from the data themselves; there is no chance in it."


def _how_sure(finding: Finding) -> str:
    if finding.log_e is None or finding.log_threshold is None:
        return ""
    parts = [
        f"The evidence is {_power(finding.log_e)}, where {_power(finding.log_threshold)} is needed"
    ]
    if finding.value is not None and finding.low is not None and finding.high is not None:
        parts.append(f"the effect is {finding.value:.3f} ({finding.low:.3f} to {finding.high:.3f})")
    if finding.rows:
        parts.append(f"on {finding.rows:,} rows")
    return ", ".join(parts) + "."


def _power(log: float) -> str:
    """A number known by its logarithm, which may be larger than a float can be.

    >>> _power(3.0), _power(2302.6)
    ('20.1', '1e1000')
    """
    exponent = log / 2.302585092994046
    return f"{10**exponent:,.3g}" if exponent < 6 else f"1e{exponent:.0f}"


def _seen(evidence: Evidence) -> str:
    return "; ".join(_counts(evidence)) or "It was not compared with another version."


def _counts(evidence: Evidence) -> Iterator[str]:
    if evidence.pairs:
        yield f"{evidence.pairs:,} rows were answered by both versions"
    if evidence.labelled:
        yield (
            f"on {evidence.labelled:,} of them with labels its loss differs by "
            f"{evidence.loss_difference:+.3f}"
        )
    if evidence.errors or evidence.champion_errors:
        yield f"it failed on {evidence.errors}, the other on {evidence.champion_errors}"
