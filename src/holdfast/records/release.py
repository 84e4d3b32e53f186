"""A release: the state machine that takes a version live."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from holdfast.records.base import Record, Time


class ReleaseState(StrEnum):
    """Where a release is. The last five are ends; ``watched`` may still be rolled back."""

    PENDING = "pending"  # waits for approval
    SHADOW = "shadow"  # answers off the request path only
    CANARY = "canary"  # answers a share of the traffic
    WATCHED = "watched"  # live, and may still be rolled back by itself
    PROMOTED = "promoted"  # live, watch over
    ABORTED = "aborted"  # never went live
    INCONCLUSIVE = "inconclusive"  # too little evidence in the time allowed; never went live
    ROLLED_BACK = "rolled_back"  # was live, taken back
    SUPERSEDED = "superseded"  # another version went live while this one was watched

    @property
    def ended(self) -> bool:
        """True when nothing will happen to it any more."""
        return self not in (
            ReleaseState.PENDING,
            ReleaseState.SHADOW,
            ReleaseState.CANARY,
            ReleaseState.WATCHED,
        )


class Step(Record, frozen=True, kw_only=True):
    """One step of the plan: shadow (weight 0) or a canary's share of the traffic."""

    kind: Literal["shadow", "canary"]
    weight: float = 0.0


class Evidence(Record, frozen=True, kw_only=True):
    """What is known of a challenger beside the champion, on the same rows.

    Counts and e-values only, so that rules stay pure and the evidence can be kept.

    Args:
        pairs: rows that both versions answered.
        errors: rows the challenger failed to answer; ``champion_errors`` likewise.
        disagreement: mean |difference| of the two answers, in [0, 1].
        expected: mean disagreement measured by the gate on held-out rows.
        log_e_disagree: log e-value against "disagreement is at most expected + slack".
        labelled: pairs whose label is known.
        loss_difference: mean bounded loss, challenger minus champion.
        log_e_worse: log e-value against "the challenger is at most as bad as the champion".
        log_e_fine: log e-value against "the challenger is worse by at least the margin".
        log_e_errors: log e-value against "the challenger fails no more often".
        latency_pairs: requests answered live by the challenger that were compared with one that
            the champion answered live in the same time.
        log_e_slow: log e-value against "the challenger is at most the tolerated factor slower".
        slice: where the answers differ most beyond what was expected; empty when nowhere.
        slice_disagreement: mean disagreement there; ``slice_expected`` from the gate.
        breach: how the rows that users send break with those the challenger was trained on.
    """

    pairs: int = 0
    errors: int = 0
    champion_errors: int = 0
    disagreement: float = 0.0
    expected: float = 0.0
    log_e_disagree: float = 0.0
    labelled: int = 0
    loss_difference: float = 0.0
    log_e_worse: float = 0.0
    log_e_fine: float = 0.0
    log_e_errors: float = 0.0
    latency_p99: float | None = None
    breach: str = ""
    latency_pairs: int = 0
    log_e_slow: float = 0.0
    slice: str = ""
    slice_disagreement: float = 0.0
    slice_expected: float = 0.0


class Release(Record, frozen=True, kw_only=True):
    """One version on its way to the users.

    Args:
        previous: the version that was live when it began, and is live again on a rollback.
        plan: the steps before it is live.
        step: index in ``plan`` while shadow or canary.
        step_at: when the present step or state began.
        reason: why it is in this state, in one sentence.
        expected_disagreement: from the gate, on held-out rows.
        expected_by_slice: the same for values of the gate's slices, such as ``"kind=east"``.
        strange_day: how much more both differed on the worst held-out day, from the gate.
        approvals: who agreed.
        switched_in: for aborts and rollbacks by hand, seconds from the call to every server's
            confirmation.
        last_answer_in: for aborts and rollbacks, seconds from the order to the last answer of the
            version taken back, by the prediction log; 0 when there was none after the order.
        notes: what people said when they started, approved, paused or resumed it.
    """

    id: str
    model: str
    version: int
    previous: int | None
    plan: tuple[Step, ...]
    state: ReleaseState
    started_at: Time
    step_at: Time
    actor: str
    step: int = 0
    reason: str = ""
    expected_disagreement: float = 0.0
    expected_by_slice: dict[str, float] = {}
    strange_day: float = 0.0
    approvals: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    switched_in: float | None = None
    last_answer_in: float | None = None
    notes: tuple[str, ...] = ()


class Transition(Record, frozen=True, kw_only=True):
    """What a rule decided: the next state, and why."""

    rule: str
    state: ReleaseState
    step: int
    reason: str
