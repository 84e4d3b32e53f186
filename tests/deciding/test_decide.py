"""Deciding: each rule by example, and what must never happen by Hypothesis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.deciding.decide import RULES, State, decide
from holdfast.deciding.retraining import wait_after
from holdfast.records import Finding
from holdfast.spec import Retrain

NOW = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = Retrain(on=("drift", "new_data", "code", "schedule", "webhook"), schedule="0 3 * * 1")


def _finding(kind: str, pages: bool, subject: str = "loss", harm: float | None = None) -> Finding:
    return Finding(
        id=f"fnd-{kind}-{subject}-{pages}", model="late", version=3, kind=kind, subject=subject,
        pages=pages, since=NOW - 3 * DAY, at=NOW, sentence=f"A {kind} of {subject}.", harm=harm,
    )  # fmt: skip


LOSS = _finding("realised_loss", True)
ESTIMATE = _finding("estimated_loss", True)
BROKEN = _finding("contract", True, "wind.null")
BENT = _finding("contract", False, "wind.null")
HARMFUL = _finding("input_drift", False, "wind", 0.05)
HARMLESS = _finding("input_drift", False, "rain", 0.001)
SILENCE = _finding("silence", False, "predictions")

TWICE = {"wind": 2, "rain": 2}
WATCHED = State(release_watching=True, previous_version=2)


CALM = State()


def _decide(findings, state=CALM, policy=ALL, now=NOW):
    return decide(findings, state, policy, tolerance=0.02, now=now, model="late", version=3)


@pytest.mark.parametrize(
    ("findings", "state", "action", "trigger"),
    [
        ([], State(), "nothing", "none"),
        ([LOSS], WATCHED, "roll_back", "quality"),
        ([LOSS], State(release_watching=True), "retrain", "quality"),
        ([LOSS], State(), "retrain", "quality"),
        ([ESTIMATE], WATCHED, "retrain", "quality"),
        ([ESTIMATE, BROKEN], State(), "alert", "contract"),
        ([BROKEN], State(), "alert", "contract"),
        ([BENT], State(), "nothing", "none"),
        ([BENT], State(consecutive_looks={"wind.null": 2}), "alert", "contract"),
        ([LOSS, BROKEN], State(), "block", "contract"),
        ([LOSS, BROKEN], WATCHED, "roll_back", "quality"),
        ([BROKEN], State(code_changed="sha256:1"), "block", "contract"),
        ([BROKEN], State(schedule_due=NOW), "block", "contract"),
        ([LOSS], State(last_retrain_at=NOW - 2 * DAY, failures=1), "retrain", "quality"),
        ([LOSS], State(last_retrain_at=NOW - 2 * DAY, failures=2), "alert", "quality"),
        ([LOSS], State(last_retrain_at=NOW - 31 * DAY, failures=40), "retrain", "quality"),
        ([], State(asked_at=NOW), "retrain", "webhook"),
        ([], State(asked_at=NOW, pending_action="retrain"), "nothing", "webhook"),
        ([LOSS], State(contract_broken="wind is empty."), "block", "contract"),
        ([LOSS], State(pending_action="retrain"), "alert", "quality"),
        ([LOSS], State(last_retrain_at=NOW - DAY / 2), "alert", "quality"),
        ([LOSS], State(last_retrain_at=NOW - 2 * DAY), "retrain", "quality"),
        ([LOSS], State(retrains_in_30_days=8), "alert", "quality"),
        ([HARMFUL], State(), "nothing", "none"),
        ([HARMFUL], State(consecutive_looks=TWICE), "retrain", "drift"),
        ([HARMFUL, BROKEN], State(consecutive_looks=TWICE), "alert", "contract"),
        ([HARMLESS], State(consecutive_looks=TWICE), "alert", "drift"),
        ([SILENCE], State(), "alert", "silence"),
        ([], State(code_changed="sha256:1"), "retrain", "code"),
        ([], State(new_data="sha256:2"), "retrain", "new_data"),
        ([], State(schedule_due=NOW), "retrain", "schedule"),
        ([], State(schedule_due=NOW, contract_broken="broken."), "block", "contract"),
        ([], State(schedule_due=NOW, last_retrain_at=NOW), "nothing", "schedule"),
        ([LOSS], State(release_watching=True, previous_version=2, pending_action="retrain"),
         "roll_back", "quality"),
        ([LOSS], State(release_watching=True, previous_version=2, pending_action="roll_back"),
         "alert", "quality"),
    ],
)  # fmt: skip
def test_rules(findings, state, action, trigger) -> None:
    decision = _decide(findings, state)
    assert (decision.action, decision.trigger) == (action, trigger)
    assert decision.reason
    assert decision.at == NOW


def test_what_the_spec_does_not_ask_for_does_not_retrain() -> None:
    quiet = Retrain(on=("schedule",), schedule="0 3 * * 1")
    assert _decide([LOSS], policy=quiet).action == "alert"
    assert _decide([], State(new_data="x", code_changed="y"), quiet).action == "nothing"


def test_findings_of_other_versions_do_not_count() -> None:
    other = msgspec.structs.replace(LOSS, version=2)
    assert _decide([other]).action == "nothing"


def test_ids_follow_the_cause() -> None:
    one = _decide([LOSS, HARMFUL])
    assert one.id == _decide([HARMFUL, LOSS], now=NOW + timedelta(hours=1)).id
    assert one.findings == (LOSS.id,)
    again = _decide([LOSS], State(last_retrain_at=NOW - 5 * DAY))
    assert again.action == "retrain"
    assert again.id != one.id  # the first did not help, so this is another
    assert _decide([LOSS], WATCHED).id != one.id
    monday, tuesday = (_decide([], State(schedule_due=NOW + i * DAY)).id for i in range(2))
    assert monday != tuesday


def test_drift_that_comes_and_goes_makes_no_second_alert() -> None:
    state = State(consecutive_looks=TWICE)
    both = _decide([BROKEN, HARMFUL], state)
    assert both.id == _decide([BROKEN], state).id
    assert both.findings == (BROKEN.id, HARMFUL.id)


def test_the_reason_says_why_there_is_no_retraining() -> None:
    held = _decide([LOSS], State(last_retrain_at=NOW - timedelta(hours=1)))
    assert "cooldown" in held.reason
    blocked = _decide([LOSS], State(contract_broken="'wind' is empty."))
    assert "'wind' is empty." in blocked.reason
    assert LOSS.sentence in blocked.reason


STATES = st.builds(
    State,
    last_retrain_at=st.none() | st.integers(0, 80).map(lambda h: NOW - timedelta(hours=h)),
    retrains_in_30_days=st.integers(0, 12),
    failures=st.integers(0, 5),
    pending_action=st.sampled_from([None, "retrain", "roll_back"]),
    consecutive_looks=st.dictionaries(st.sampled_from(["wind", "rain"]), st.integers(1, 4)),
    release_watching=st.booleans(),
    previous_version=st.sampled_from([None, 2]),
    contract_broken=st.sampled_from(["", "broken."]),
    new_data=st.sampled_from(["", "d"]),
    code_changed=st.sampled_from(["", "c"]),
    schedule_due=st.sampled_from([None, NOW]),
    asked_at=st.sampled_from([None, NOW]),
)
FINDINGS = st.lists(
    st.sampled_from([LOSS, ESTIMATE, BROKEN, BENT, HARMFUL, HARMLESS, SILENCE]), unique_by=id
)


@given(FINDINGS, STATES, st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_what_must_never_happen(findings, state, random) -> None:
    decision = _decide(findings, state)
    if decision.action == "retrain":
        assert state.pending_action is None
        assert not state.contract_broken
        assert BROKEN not in findings
        wait = wait_after(state.failures, ALL)
        assert state.last_retrain_at is None or NOW - state.last_retrain_at >= wait
        assert state.retrains_in_30_days < ALL.per_month
    if decision.action == "roll_back":
        assert LOSS in findings
        assert state.release_watching
        assert state.previous_version is not None
        assert state.pending_action != "roll_back"
    if any(one.pages for one in findings):
        assert decision.action != "nothing"
    shuffled = list(findings)
    random.shuffle(shuffled)
    assert _decide(shuffled, state) == decision


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (State(pending_action="retrain"), "a retrain is already under way"),
        (State(last_retrain_at=NOW - DAY / 2), "less than the cooldown ago; free at 01 Jul 12:00"),
        (State(last_retrain_at=NOW - DAY, failures=1), "the last retraining came to nothing"),
        (State(last_retrain_at=NOW - DAY, failures=3), "the last 3 retrainings came to nothing"),
        (State(retrains_in_30_days=8), "the budget of 8 retrainings in thirty days is spent"),
    ],
)
def test_nothing_is_done_with_a_sentence_why(state, why) -> None:
    """Also where nothing pages: each reason is told once, and is another decision."""
    state = replace(state, code_changed="sha256:1")
    decision = _decide([], state)
    assert (decision.action, decision.trigger) == ("nothing", "code")
    assert "The training code has changed." in decision.reason
    assert why in decision.reason
    assert decision.id == _decide([], state, now=NOW + timedelta(minutes=5)).id
    assert decision.id != _decide([], CALM).id


def test_a_break_that_is_worded_anew_is_blocked_once() -> None:
    later = msgspec.structs.replace(BROKEN, sentence="More of the wind is empty.")
    state = State(code_changed="sha256:1")
    assert _decide([BROKEN], state).id == _decide([later], state).id


def test_the_last_rule_always_decides() -> None:
    assert RULES[-1].__name__ == "_nothing"
