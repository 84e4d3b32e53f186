"""The state machine of a release: which state may follow which."""

from __future__ import annotations

from datetime import datetime

import msgspec

from holdfast.errors import ConflictError
from holdfast.records import Evidence, Release, ReleaseState, Transition

S = ReleaseState

EDGES: dict[ReleaseState, frozenset[ReleaseState]] = {
    S.PENDING: frozenset({S.SHADOW, S.CANARY, S.WATCHED, S.ABORTED}),
    S.SHADOW: frozenset({S.SHADOW, S.CANARY, S.WATCHED, S.ABORTED, S.INCONCLUSIVE}),
    S.CANARY: frozenset({S.SHADOW, S.CANARY, S.WATCHED, S.ABORTED, S.INCONCLUSIVE, S.ROLLED_BACK}),
    S.WATCHED: frozenset({S.PROMOTED, S.ROLLED_BACK, S.SUPERSEDED}),
    S.PROMOTED: frozenset(),
    S.ABORTED: frozenset(),
    S.INCONCLUSIVE: frozenset(),
    S.ROLLED_BACK: frozenset(),
    S.SUPERSEDED: frozenset(),
}
"""From each state to those that may follow. Shadow and canary follow themselves as steps do."""


def move(release: Release, transition: Transition, evidence: Evidence, now: datetime) -> Release:
    """The release after a transition; keeps the evidence that led to it.

    Raises:
        ConflictError: when the transition is none that may follow.
    """
    state, step = transition.state, transition.step
    moving = state in (S.SHADOW, S.CANARY)
    first = release.state == S.PENDING
    allowed = state in EDGES[release.state] and (
        not moving
        or (
            step == (0 if first else release.step + 1)
            and step < len(release.plan)
            and release.plan[step].kind == state.value
        )
    )
    if not allowed:
        raise ConflictError(
            "release.transition",
            f"release {release.id} is {release.state} at step {release.step};"
            f" it cannot become {state} at step {step}",
            "Read its present state and decide again.",
        )
    return msgspec.structs.replace(
        release,
        state=state,
        step=step,
        step_at=now,
        reason=transition.reason,
        evidence=evidence,
    )
