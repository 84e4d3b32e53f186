"""Findings, policy and state in; one decision out.

An ordered list of rules: each looks at the situation and either decides, with its reason, or leaves
it to the next. The first that decides wins, so there is never more than one action.

    rule               decides when
    ─────────────────  ──────────────────────────────────────────────────────────────────────────
    roll_back          the loss monitor of a version fires while its release is still watched
    block              something calls for a retraining, and the training data are broken
    retrain_quality    labels, or estimates on unbroken inputs, show that quality is lost
    retrain_drift      drift that persists on unbroken inputs, and costs more than is tolerated
    retrain_planned    new code, new data, or the schedule
    alert              anything that pages, silence, and what does not page but persists
    nothing            always
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.records import Action, Decision, Finding, digest
from holdfast.spec import Retrain

DRIFT_KINDS = ("input_drift", "prediction_drift")

# Which finding an alert speaks of first, and what it is then said to be about.
_WEIGHT = {
    "realised_loss": 0,
    "contract": 1,
    "estimated_loss": 2,
    "prediction_drift": 3,
    "input_drift": 4,
    "silence": 5,
}
_TRIGGER = {
    "realised_loss": "quality",
    "contract": "contract",
    "estimated_loss": "quality",
    "prediction_drift": "drift",
    "input_drift": "drift",
    "silence": "silence",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the loop knows beside the findings.

    Args:
        last_retrain_at: when the last retraining began.
        retrains_in_30_days: how many began in the last thirty days.
        pending_action: the action under way, ``retrain`` or ``roll_back``; None when there is none.
        consecutive_looks: subject of a finding that does not page → looks in a row that found it.
        released_at: when the version went live.
        release_watching: whether it may still be rolled back by itself.
        previous_version: the version that would answer again.
        contract_broken: why the *training data* may not be used, one sentence; empty when they may.
            Broken production inputs are findings of kind ``contract`` instead.
        new_data: id of newer data than the version has seen; empty when there are none.
        code_changed: digest of newer code than the version was made with; empty when there is none.
        schedule_due: the moment of the schedule that is due and not yet served.
    """

    last_retrain_at: datetime | None = None
    retrains_in_30_days: int = 0
    pending_action: Action | None = None
    consecutive_looks: Mapping[str, int] = field(default_factory=dict)
    released_at: datetime | None = None
    release_watching: bool = False
    previous_version: int | None = None
    contract_broken: str = ""
    new_data: str = ""
    code_changed: str = ""
    schedule_due: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a rule may look at; see :func:`decide`."""

    findings: tuple[Finding, ...]
    state: State
    policy: Retrain
    tolerance: float
    now: datetime

    def of(self, *kinds: str) -> tuple[Finding, ...]:
        """Findings of some kinds."""
        return tuple(one for one in self.findings if one.kind in kinds)

    @property
    def broken_inputs(self) -> tuple[Finding, ...]:
        """Hard breaks of the data contract in production."""
        return tuple(one for one in self.of("contract") if one.pages)

    @property
    def persistent(self) -> tuple[Finding, ...]:
        """Drift, and soft breaks of the contract, found in enough looks in a row."""
        looks = self.state.consecutive_looks
        least = self.policy.persistence
        soft = (one for one in self.of(*DRIFT_KINDS, "contract") if not one.pages)
        return tuple(one for one in soft if looks.get(one.subject, 1) >= least)

    def lasting(self, kind: str) -> tuple[Finding, ...]:
        """Findings about loss that have held for enough looks in a row: a bad day heals by itself,
        and a model trained on it would be no better.
        """
        least = self.policy.persistence
        held = self.state.consecutive_looks.get(kind, least)
        return self.of(kind) if held >= least else ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a rule decided. ``cause`` tells one occasion from the next where no finding does."""

    action: Action
    trigger: str
    reason: str
    findings: tuple[Finding, ...] = ()
    cause: str = ""


Rule = Callable[[Situation], Choice | None]


def decide(
    findings: Sequence[Finding],
    state: State,
    policy: Retrain,
    *,
    tolerance: float,
    now: datetime,
    model: str,
    version: int | None,
) -> Decision:
    """Decides what to do about one model.

    Args:
        findings: of the version that answers now; others are ignored.
        state: what else is known.
        policy: ``[retrain]`` of the spec.
        tolerance: ``[monitor] tolerance``: the loss of quality that matters.
        now: aware UTC time.
        model: which.
        version: the version that answers now; None when none does.

    Returns:
        Exactly one decision. Its id follows from its cause, so the same cause decided twice is one
        decision; a retraining that did not help makes way for another after the cooldown.
    """
    own = tuple(one for one in findings if one.version == version and one.model == model)
    situation = Situation(
        findings=tuple(sorted(own, key=lambda one: one.id)),
        state=state, policy=policy, tolerance=tolerance, now=now,
    )  # fmt: skip
    choice = next(found for rule in RULES if (found := rule(situation)) is not None)
    causes = [one.id for one in choice.findings]
    # What does not page comes and goes; it does not make another occasion of what does.
    paging = sorted(one.id for one in choice.findings if one.pages)
    attempt = state.last_retrain_at if choice.action == "retrain" else None
    key = [
        model,
        str(version),
        choice.action,
        choice.trigger,
        choice.cause,
        *(paging or sorted(causes)),
    ]
    text = "\n".join([*key, attempt.isoformat() if attempt else ""])
    return Decision(
        id="dec-" + digest(text.encode()).removeprefix("sha256:")[:24],
        model=model,
        version=version,
        action=choice.action,
        trigger=choice.trigger,
        reason=choice.reason,
        at=now,
        findings=tuple(causes),
    )


def may_retrain(situation: Situation) -> str:
    """Why no retraining may begin now; empty when one may."""
    state, policy = situation.state, situation.policy
    if state.pending_action is not None:
        return f"a {state.pending_action.replace('_', ' ')} is already under way"
    if state.last_retrain_at is not None:
        free = state.last_retrain_at + policy.cooldown
        if situation.now < free:
            return f"the last retraining was less than the cooldown ago; free at {free:%d %b %H:%M}"
    if state.retrains_in_30_days >= policy.per_month:
        return f"the budget of {policy.per_month} retrainings in thirty days is spent"
    return ""


def _roll_back(situation: Situation) -> Choice | None:
    state = situation.state
    lost = situation.of("realised_loss")
    if not lost or not state.release_watching or state.previous_version is None:
        return None
    if state.pending_action == "roll_back":
        return None
    reason = f"{lost[0].sentence} Its release is still watched, so version {state.previous_version}"
    return Choice("roll_back", "quality", f"{reason} answers again.", lost)


def _block(situation: Situation) -> Choice | None:
    broken = situation.state.contract_broken
    wanted = next((found for rule in _RETRAININGS if (found := rule(situation))), None)
    if not broken or wanted is None or situation.state.pending_action is not None:
        return None
    reason = f"A retraining is called for ({wanted.reason}) but its data are broken: {broken}"
    return Choice("block", "contract", reason, wanted.findings, wanted.cause + broken)


def _retrain_quality(situation: Situation) -> Choice | None:
    if "drift" not in situation.policy.on:
        return None
    measured = situation.lasting("realised_loss")
    if measured:
        return Choice("retrain", "quality", measured[0].sentence, measured)
    estimated = situation.lasting("estimated_loss")
    # Broken inputs make the estimate high too, and retraining on them would not mend them.
    if estimated and not situation.broken_inputs:
        return Choice("retrain", "quality", estimated[0].sentence, estimated)
    return None


def _retrain_drift(situation: Situation) -> Choice | None:
    if "drift" not in situation.policy.on or situation.broken_inputs:
        return None
    harmful = tuple(one for one in situation.persistent if (one.harm or 0.0) > situation.tolerance)
    if not harmful:
        return None
    worst = max(harmful, key=lambda one: one.harm or 0.0)
    reason = f"{worst.sentence} It is expected to cost {worst.harm:.3f} of loss."
    return Choice("retrain", "drift", reason, harmful)


def _retrain_planned(situation: Situation) -> Choice | None:
    state, on = situation.state, situation.policy.on
    if "code" in on and state.code_changed:
        return Choice("retrain", "code", "The code has changed.", cause=state.code_changed)
    if "new_data" in on and state.new_data:
        return Choice("retrain", "new_data", "There are new data.", cause=state.new_data)
    if "schedule" in on and state.schedule_due is not None:
        due = state.schedule_due
        reason = f"The schedule asked for it at {due:%d %b %H:%M}."
        return Choice("retrain", "schedule", reason, cause=due.isoformat())
    return None


def _alert(situation: Situation) -> Choice | None:
    worth = {
        one.id: one
        for one in situation.findings
        if one.pages or one.kind == "silence" or one in situation.persistent
    }
    if not worth:
        return None
    ranked = sorted(worth.values(), key=lambda one: (not one.pages, _WEIGHT[one.kind]))
    worst = ranked[0]
    held = may_retrain(situation)
    called = any(rule(situation) for rule in _RETRAININGS)
    suffix = f" No retraining now: {held}." if held and called else ""
    return Choice("alert", _TRIGGER[worst.kind], worst.sentence + suffix, tuple(ranked))


def _nothing(situation: Situation) -> Choice:
    seen = len(situation.findings)
    waiting = any(rule(situation) for rule in _RETRAININGS)
    if waiting:
        reason = f"A retraining is due, but {may_retrain(situation)}."
    elif seen:
        reason = f"{seen} finding(s) so far, none of which has lasted long enough to matter."
    else:
        reason = "All is as it should be."
    return Choice("nothing", "none", reason, situation.findings)


def _when_allowed(rule: Rule) -> Rule:
    def allowed(situation: Situation) -> Choice | None:
        return None if may_retrain(situation) else rule(situation)

    return allowed


_RETRAININGS: tuple[Rule, ...] = (_retrain_quality, _retrain_drift, _retrain_planned)

RULES: tuple[Rule, ...] = (
    _roll_back,
    _block,
    *(_when_allowed(rule) for rule in _RETRAININGS),
    _alert,
    _nothing,
)
