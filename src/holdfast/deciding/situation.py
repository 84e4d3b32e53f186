"""What a rule may look at, and what it may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.records import Action, Finding
from holdfast.spec import Retrain

DRIFT_KINDS = ("input_drift", "prediction_drift")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the loop knows beside the findings.

    Args:
        last_retrain_at: when the last retraining began.
        retrains_in_30_days: how many began in the last thirty days.
        failures: retrainings in a row, up to the last, that came to nothing: the training failed,
            the gate refused the version, or its release was taken back.
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
        asked_at: when a webhook asked for a training that has not begun since.
    """

    last_retrain_at: datetime | None = None
    retrains_in_30_days: int = 0
    failures: int = 0
    pending_action: Action | None = None
    consecutive_looks: Mapping[str, int] = field(default_factory=dict)
    released_at: datetime | None = None
    release_watching: bool = False
    previous_version: int | None = None
    contract_broken: str = ""
    new_data: str = ""
    code_changed: str = ""
    schedule_due: datetime | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a rule may look at; see :func:`~holdfast.deciding.decide.decide`."""

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
