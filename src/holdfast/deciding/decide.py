"""Findings, policy and state in; one decision out.

An ordered list of rules: each looks at the situation and either decides, with its reason, or leaves
it to the next. The first that decides wins, so there is never more than one action.

    rule        decides when
    ─────────   ──────────────────────────────────────────────────────────────────────────────────
    roll_back   the loss monitor of a version fires while its release is still watched
    block       a retraining is called for, and the data that there are now are broken
    retrain     quality is lost, drift costs more than is tolerated, or it is planned (code, data,
                schedule, webhook), and neither a pending action, cooldown, back-off nor the
                budget holds it back
    alert       anything that pages, silence, and what does not page but persists
    nothing     always; when a retraining is held back, with the reason
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from holdfast.deciding.retraining import held, veto, wanted
from holdfast.deciding.situation import Choice, Rule, Situation, State
from holdfast.records import Decision, Finding, digest
from holdfast.records.finding import HELD
from holdfast.spec import Retrain

__all__ = ["RULES", "State", "decide"]

# Which finding an alert speaks of first, and what it is then said to be about.
_WEIGHT = {
    "realised_loss": 0,
    "contract": 1,
    "estimated_loss": 2,
    "prediction_drift": 3,
    "input_drift": 4,
    "silence": 5,
    "label_delay": 6,
}
_TRIGGER = {
    "realised_loss": "quality",
    "contract": "contract",
    "estimated_loss": "quality",
    "prediction_drift": "drift",
    "input_drift": "drift",
    "silence": "silence",
    "label_delay": "quality",
}


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
        decision; a retraining that did not help makes way for another after the cooldown. Only
        when nothing is called for at all are action and trigger ``nothing`` and ``none``.
    """
    own = tuple(one for one in findings if one.version == version and one.model == model)
    situation = Situation(
        findings=tuple(sorted(own, key=lambda one: one.id)),
        state=state, policy=policy, tolerance=tolerance, now=now,
    )  # fmt: skip
    choice = next(found for rule in RULES if (found := rule(situation)) is not None)
    return Decision(
        id=_identity(choice, state, model, version),
        model=model,
        version=version,
        action=choice.action,
        trigger=choice.trigger,
        reason=choice.reason,
        at=now,
        findings=tuple(one.id for one in choice.findings),
    )


def _identity(choice: Choice, state: State, model: str, version: int | None) -> str:
    # What does not page comes and goes; it does not make another occasion of what does.
    paging = sorted(one.id for one in choice.findings if one.pages)
    causes = paging or sorted(one.id for one in choice.findings)
    attempt = state.last_retrain_at if choice.action == "retrain" else None
    occasion = [model, str(version), choice.action, choice.trigger, choice.cause, *causes]
    text = "\n".join([*occasion, attempt.isoformat() if attempt else ""])
    return "dec-" + digest(text.encode()).removeprefix("sha256:")[:24]


def _roll_back(situation: Situation) -> Choice | None:
    state = situation.state
    lost = tuple(one for one in situation.of("realised_loss") if one.subject != HELD)
    if not lost or not state.release_watching or state.previous_version is None:
        return None
    if state.pending_action == "roll_back":
        return None
    reason = f"{lost[0].sentence} Its release is still watched, so version {state.previous_version}"
    return Choice("roll_back", "quality", f"{reason} answers again.", lost)


def _block(situation: Situation) -> Choice | None:
    broken, choice = veto(situation), wanted(situation)
    if not broken or choice is None or situation.state.pending_action is not None:
        return None
    reason = f"A retraining is called for ({choice.reason}) but the data are broken: {broken}"
    findings = (*situation.broken_inputs, *choice.findings)
    # The wording of what broke may change from look to look; that it did, and since when, does not.
    cause = choice.cause + ("" if situation.broken_inputs else broken)
    return Choice("block", "contract", reason, findings, cause)


def _retrain(situation: Situation) -> Choice | None:
    return None if held(situation) else wanted(situation)


def _alert(situation: Situation) -> Choice | None:
    worth = {
        one.id: one
        for one in situation.findings
        if one.pages or one.kind == "silence" or one in situation.persistent
    }
    if not worth:
        return None
    ranked = sorted(worth.values(), key=lambda one: (not one.pages, _WEIGHT[one.kind]))
    worst, hold = ranked[0], held(situation)
    called = wanted(situation) is not None
    suffix = f" No retraining now: {hold.sentence}." if hold and called else ""
    return Choice("alert", _TRIGGER[worst.kind], worst.sentence + suffix, tuple(ranked))


def _nothing(situation: Situation) -> Choice:
    choice, hold = wanted(situation), held(situation)
    if choice is not None and hold is not None:
        reason = f"A retraining is called for ({choice.reason}), but {hold.sentence}."
        return Choice("nothing", choice.trigger, reason, choice.findings, choice.cause + hold.name)
    if situation.findings:
        count = len(situation.findings)
        reason = f"{count} finding(s) so far, none of which has lasted long enough to matter."
    else:
        reason = "All is as it should be."
    return Choice("nothing", "none", reason, situation.findings)


RULES: tuple[Rule, ...] = (_roll_back, _block, _retrain, _alert, _nothing)
