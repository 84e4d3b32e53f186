"""What calls for a retraining, and what holds one back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from holdfast.deciding.situation import Choice, Rule, Situation
from holdfast.spec import Retrain

LONGEST_WAIT = timedelta(days=30)
"""However often it failed, a retraining is tried again after this."""

_SHORTEST_WAIT = timedelta(hours=1)


class Hold(NamedTuple):
    """Why no retraining may begin now: ``name`` for machines, ``sentence`` for people."""

    name: str
    sentence: str


def wait_after(failures: int, policy: Retrain) -> timedelta:
    """How long after the last retraining the next may begin: it doubles with every failure.

    >>> day = Retrain(cooldown=timedelta(days=1))
    >>> [wait_after(n, day).days for n in (0, 1, 2, 3, 9)]
    [1, 2, 4, 8, 30]
    """
    if not failures:
        return policy.cooldown
    longest = max(LONGEST_WAIT, policy.cooldown)
    base = max(policy.cooldown, _SHORTEST_WAIT)
    # 2¹⁰ hours are more than thirty days already.
    return min(base * (1 << min(failures, 10)), longest)


def holds(situation: Situation) -> Iterator[Hold]:
    """Everything that holds a retraining back now, but for broken data."""
    state, policy = situation.state, situation.policy
    if state.pending_action is not None:
        what = state.pending_action.replace("_", " ")
        yield Hold("pending", f"a {what} is already under way")
    if state.last_retrain_at is not None:
        free = state.last_retrain_at + wait_after(state.failures, policy)
        if situation.now < free:
            yield _waiting(state.failures, f"{free:%d %b %H:%M}")
    if state.retrains_in_30_days >= policy.per_month:
        yield Hold(
            "budget", f"the budget of {policy.per_month} retrainings in thirty days is spent"
        )


def _waiting(failures: int, free: str) -> Hold:
    if not failures:
        said = "the last retraining was less than the cooldown ago"
        return Hold("cooldown", f"{said}; free at {free}")
    times = "the last retraining" if failures == 1 else f"the last {failures} retrainings"
    said = f"{times} came to nothing, and the wait doubles each time"
    return Hold("back-off", f"{said}; free at {free}")


def held(situation: Situation) -> Hold | None:
    """The first thing that holds a retraining back; None when one may begin."""
    return next(holds(situation), None)


def veto(situation: Situation) -> str:
    """Why the data that there are may not be trained on; empty when they may."""
    broken = situation.broken_inputs
    return broken[0].sentence if broken else situation.state.contract_broken


def wanted(situation: Situation) -> Choice | None:
    """The retraining that is called for, whether or not it may begin now."""
    return next((found for rule in RETRAININGS if (found := rule(situation))), None)


def retrain_quality(situation: Situation) -> Choice | None:
    """Labels, or estimates on unbroken inputs, show that quality is lost."""
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


def retrain_drift(situation: Situation) -> Choice | None:
    """Drift persists on unbroken inputs, and costs more than is tolerated."""
    if "drift" not in situation.policy.on or situation.broken_inputs:
        return None
    harmful = tuple(one for one in situation.persistent if (one.harm or 0.0) > situation.tolerance)
    if not harmful:
        return None
    worst = max(harmful, key=lambda one: one.harm or 0.0)
    reason = f"{worst.sentence} It is expected to cost {worst.harm:.3f} of loss."
    return Choice("retrain", "drift", reason, harmful)


def retrain_planned(situation: Situation) -> Choice | None:
    """New code, new data, the schedule, or a webhook."""
    state, on = situation.state, situation.policy.on
    if "code" in on and state.code_changed:
        return Choice("retrain", "code", "The training code has changed.", cause=state.code_changed)
    if "new_data" in on and state.new_data:
        return Choice(
            "retrain", "new_data", f"There are new data: {state.new_data}.", cause=state.new_data
        )
    if "schedule" in on and state.schedule_due is not None:
        due = state.schedule_due
        reason = f"The schedule asked for it at {due:%d %b %H:%M} UTC."
        return Choice("retrain", "schedule", reason, cause=due.isoformat())
    if "webhook" in on and state.asked_at is not None:
        asked = state.asked_at
        reason = f"A webhook asked for it at {asked:%d %b %H:%M} UTC."
        return Choice("retrain", "webhook", reason, cause=asked.isoformat())
    return None


RETRAININGS: tuple[Rule, ...] = (retrain_quality, retrain_drift, retrain_planned)
