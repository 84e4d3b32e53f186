"""The rules that move a release, in the order in which they are asked.

The first rule that answers decides: with a transition, or by holding the release where it is. What
could stop a release stands before what could advance it.

Labels come late. The steps before the last go by errors, latency and disagreement alone; only the
last, after which everybody gets the new version, waits for labels. Where labels take longer than a
step may (``Context.labels`` is False), the last step goes by those too and says so; the version
then is judged by its labels while it is watched. Thin traffic never passes: a step that has not
seen enough in ``max_step`` ends the release as inconclusive, or is held where it is with
``on_inconclusive = "hold"``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from holdfast.records import Evidence, Release, ReleaseState, Transition
from holdfast.release.context import Context
from holdfast.spec import Release as Policy
from holdfast.spec import format_duration

S = ReleaseState
_APPROVALS = {"none": 0, "one": 1, "two": 2}
_BEFORE_LIVE = (S.PENDING, S.SHADOW, S.CANARY)
_RUNNING = (S.SHADOW, S.CANARY)


class Case(NamedTuple):
    """Everything a rule may look at."""

    release: Release
    evidence: Evidence
    policy: Policy
    now: datetime
    context: Context


class Verb(NamedTuple):
    """What a rule says: the next state and step, or None to stay; and why, in one sentence."""

    state: ReleaseState | None
    reason: str
    step: int | None = None


class Rule(NamedTuple):
    """A rule: its name, the states it is asked in, and what it says of a case."""

    name: str
    states: tuple[ReleaseState, ...]
    ask: Callable[[Case], Verb | None]


def superseded(case: Case) -> Verb | None:
    """While it was watched, another version went live."""
    live = case.context.live
    if live is None or live == case.release.version:
        return None
    return Verb(S.SUPERSEDED, f"version {live} went live")


def champion_changed(case: Case) -> Verb | None:
    """The version it was compared with is no longer live, so the evidence means nothing."""
    live, previous = case.context.live, case.release.previous
    if live is None or live == previous:
        return None
    return Verb(S.ABORTED, f"version {live} went live; this one was compared with {previous}")


def stopped(case: Case) -> Verb | None:
    """A decision or a person stops it before it is live."""
    return Verb(S.ABORTED, case.context.stop) if case.context.stop else None


def rolled_back(case: Case) -> Verb | None:
    """A decision or a person takes it back while it is watched."""
    if not case.context.stop:
        return None
    if case.release.previous is None:
        return Verb(None, f"there is no version to go back to; wanted because: {case.context.stop}")
    return Verb(S.ROLLED_BACK, case.context.stop)


def approval(case: Case) -> Verb | None:
    """It waits for people to agree."""
    missing = _APPROVALS[case.policy.approval] - len(set(case.release.approvals))
    if missing <= 0:
        return None
    people = "person" if missing == 1 else "people"
    return Verb(None, f"waits for {missing} more {people} to agree")


def start(case: Case) -> Verb | None:
    """The first step; a model's first version has nothing to be compared with and goes live."""
    release = case.release
    if release.previous is None:
        return Verb(S.WATCHED, f"version {release.version} is the first; it is live")
    if not release.plan:
        return Verb(S.WATCHED, f"version {release.version} is live at once, as the spec says")
    return _enter(release, 0, "started")


def failing(case: Case) -> Verb | None:
    """It fails to answer more often than the champion."""
    e = case.evidence
    if e.log_e_errors < case.context.abort_at:
        return None
    failed = f"failed on {e.errors} rows, version {case.release.previous} on {e.champion_errors}"
    return _stop(case, failed)


def disagreeing(case: Case) -> Verb | None:
    """It answers otherwise than the gate's held-out rows led to expect."""
    e = case.evidence
    if e.log_e_disagree < case.context.abort_at:
        return None
    seen = f"differs from version {case.release.previous} by {e.disagreement:.3f} on average"
    seen = f"{seen}, where the gate saw {e.expected:.3f}"
    if e.slice:
        there = f"{e.slice_disagreement:.3f} instead of {e.slice_expected:.3f}"
        seen = f"{seen}; most where {e.slice}: {there}"
    return _stop(case, seen)


def slow(case: Case) -> Verb | None:
    """It answers later than the champion at the same time, by more than the tolerated factor."""
    e = case.evidence
    if e.log_e_slow < case.context.abort_at:
        return None
    seen = (
        f"is slower than version {case.release.previous} by more than {case.policy.slower:g} times"
    )
    return _stop(case, f"{seen} on {e.latency_pairs} requests of the same time")


def worse(case: Case) -> Verb | None:
    """Its loss is greater. Labels of canary rows that come while it is watched count too."""
    e = case.evidence
    if e.log_e_worse < case.context.abort_at:
        return None
    seen = f"loses {e.loss_difference:.3f} more than version {case.release.previous}"
    return _stop(case, f"{seen} on {e.labelled} labelled rows")


def unlike(case: Case) -> Verb | None:
    """What users send breaks the contract of the data it was trained on."""
    return _stop(case, case.evidence.breach) if case.evidence.breach else None


def held(case: Case) -> Verb | None:
    """Nothing goes forward while a person has paused the model or a freeze window holds.

    A freeze is no reason to wait longer for evidence: a step that lacks it still times out.
    """
    if case.context.paused:
        return Verb(None, f"paused: {case.context.paused}")
    waits = case.release.state == S.PENDING or not _lacking(case)
    if case.context.frozen and waits:
        return Verb(None, f"ready, but nothing goes forward in '{case.context.frozen}'")
    return None


def advance(case: Case) -> Verb | None:
    """The step has shown what it must; the next one, or live."""
    release, lack = case.release, _lacking(case)
    last = release.step == len(release.plan) - 1
    if lack:
        if case.now - release.step_at <= case.policy.max_step:
            return Verb(None, lack)
        late = f"after {format_duration(case.policy.max_step)} still {lack}"
        holds = case.policy.on_inconclusive == "hold"
        return Verb(None, f"inconclusive, held: {late}") if holds else Verb(S.INCONCLUSIVE, late)
    if not last:
        return _enter(release, release.step + 1, f"{case.context.step_pairs} pairs agree")
    if case.context.labels:
        return Verb(S.WATCHED, f"not worse on {case.evidence.labelled} labelled rows; it is live")
    pairs = f"agrees on {case.evidence.pairs} pairs"
    return Verb(S.WATCHED, f"{pairs}; labels come too late to wait for; it is live")


def watch_over(case: Case) -> Verb | None:
    """It stayed live for as long as it was to be watched."""
    if case.now - case.release.step_at < case.policy.watch:
        return None
    return Verb(S.PROMOTED, f"live for {format_duration(case.policy.watch)} without a rollback")


RULES: tuple[Rule, ...] = (
    Rule("superseded", (S.WATCHED,), superseded),
    Rule("champion_changed", _BEFORE_LIVE, champion_changed),
    Rule("stopped", _BEFORE_LIVE, stopped),
    Rule("rolled_back", (S.WATCHED,), rolled_back),
    Rule("approval", (S.PENDING,), approval),
    Rule("unlike", _RUNNING, unlike),
    Rule("failing", _RUNNING, failing),
    Rule("slow", _RUNNING, slow),
    Rule("disagreeing", _RUNNING, disagreeing),
    Rule("worse", (*_RUNNING, S.WATCHED), worse),
    Rule("held", _BEFORE_LIVE, held),
    Rule("start", (S.PENDING,), start),
    Rule("advance", _RUNNING, advance),
    Rule("watch_over", (S.WATCHED,), watch_over),
)


def next_transition(
    release: Release, evidence: Evidence, policy: Policy, now: datetime, context: Context
) -> Transition | None:
    """What happens to a release now; None when it stays where it is.

    Args:
        release: its present state.
        evidence: all that is known since its first step began.
        policy: the ``[release]`` section.
        now: aware time.
        context: the situation.
    """
    case = Case(release, evidence, policy, now, context)
    rule, verb = _first_answer(case)
    if rule is None or verb is None or verb.state is None:
        return None
    step = release.step if verb.step is None else verb.step
    return Transition(rule=rule.name, state=verb.state, step=step, reason=verb.reason)


def waits_for(
    release: Release, evidence: Evidence, policy: Policy, now: datetime, context: Context
) -> str:
    """Why a release stays where it is, in one sentence; empty when it moves or has ended."""
    _, verb = _first_answer(Case(release, evidence, policy, now, context))
    if verb is not None:
        return verb.reason if verb.state is None else ""
    return "is watched" if release.state == S.WATCHED else ""


def _first_answer(case: Case) -> tuple[Rule | None, Verb | None]:
    for rule in RULES:
        verb = rule.ask(case) if case.release.state in rule.states else None
        if verb is not None:
            return rule, verb
    return None, None


def _enter(release: Release, step: int, why: str) -> Verb:
    entered = release.plan[step]
    if entered.kind == "shadow":
        return Verb(S.SHADOW, f"{why}; in shadow of version {release.previous}", step)
    if entered.weight == 1.0:
        beside = f"version {release.previous} scores every row beside it"
        return Verb(S.CANARY, f"{why}; answers all the traffic, {beside}", step)
    return Verb(S.CANARY, f"{why}; answers {entered.weight:.0%} of the traffic", step)


def _stop(case: Case, reason: str) -> Verb | None:
    """Takes it off the traffic; while watched, only if there is something to go back to."""
    release = case.release
    if release.state != S.WATCHED:
        answers_all = release.state == S.CANARY and release.plan[release.step].weight == 1.0
        return Verb(S.ROLLED_BACK if answers_all else S.ABORTED, reason)
    return Verb(S.ROLLED_BACK, reason) if case.release.previous is not None else None


def _lacking(case: Case) -> str:
    """What the present step still lacks; empty when it has shown all that it must."""
    last = case.release.step == len(case.release.plan) - 1
    return _lack(case) or (_lack_at_last(case) if last else "")


def _lack(case: Case) -> str:
    """What any step still lacks; empty when nothing."""
    e, context = case.evidence, case.context
    if context.step_pairs < context.minimum:
        return f"{context.step_pairs} of {context.minimum} pairs"
    if e.log_e_errors >= context.doubt_at:
        return f"in doubt: {e.errors} failures against {e.champion_errors}"
    if e.log_e_slow >= context.doubt_at:
        return f"in doubt: slower on {e.latency_pairs} requests of the same time"
    if e.log_e_disagree >= context.doubt_at:
        return f"in doubt: differs by {e.disagreement:.3f} where {e.expected:.3f} was expected"
    if e.log_e_worse >= context.doubt_at:
        return f"in doubt: loses {e.loss_difference:.3f} more on {e.labelled} labelled rows"
    limit, seen = context.max_latency, e.latency_p99
    if limit is not None and seen is not None and seen > limit:
        return f"too slow: {seen * 1000:.0f} ms at the 99th percentile, {limit * 1000:.0f} allowed"
    return ""


def _lack_at_last(case: Case) -> str:
    """What the last step lacks beyond that: labels that show it is not worse."""
    e, context = case.evidence, case.context
    if not context.labels or e.log_e_fine >= context.fine_at:
        return ""
    return f"not shown to be as good on {e.labelled} labelled rows"
