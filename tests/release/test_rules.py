from datetime import UTC, datetime, timedelta
from math import log

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from holdfast.records import Arm, Evidence, Release, ReleaseState, Step
from holdfast.release.arms import route_for
from holdfast.release.context import Context, labels_in_time
from holdfast.release.plan import plan
from holdfast.release.rules import RULES, next_transition, waits_for
from holdfast.release.states import EDGES, move
from holdfast.spec import Release as Policy

S = ReleaseState
START = datetime(2024, 5, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STOP = log(4 / 0.05)
FINE = log(1 / 0.05)

GOOD = Evidence(pairs=600, labelled=500, log_e_fine=FINE, log_e_worse=-3, log_e_disagree=-9)
ENOUGH = Context(step_pairs=200, live=1)
CANARY = {"state": S.CANARY, "step": 0}
LAST = {"state": S.CANARY, "step": 2}
PAUSED = Context(step_pairs=200, live=1, paused="stocktaking")
FROZEN = Context(step_pairs=200, live=1, frozen="fri - sun")
BLUE_GREEN = plan(Policy(strategy="blue_green"))
GREEN = {"plan": BLUE_GREEN, "state": S.CANARY, "step": 1}
WATCHED = {"state": S.WATCHED, "step": 2}
SHADOW = {"state": S.SHADOW, "plan": (Step(kind="shadow"),)}
ONE, TWO = Policy(approval="one"), Policy(approval="two")


def evidence(**changes: object) -> Evidence:
    return msgspec.structs.replace(GOOD, **changes)


def context(**changes: object) -> Context:
    return Context(**{"step_pairs": 200, "live": 1, **changes})  # type: ignore[arg-type]


# what the release is, the evidence, the policy, time since its step began, the situation,
# then the rule that moves it (or what it waits for), its next state and step
CASES = {
    "starts": ({}, Evidence(), Policy(), HOUR, ENOUGH, "start", S.CANARY, 0),
    "starts in shadow": (
        {"plan": (Step(kind="shadow"),)}, Evidence(), Policy(), HOUR, ENOUGH, "start", S.SHADOW, 0),
    "starts live when direct": (
        {"plan": ()}, Evidence(), Policy(), HOUR, ENOUGH, "start", S.WATCHED, 0),
    "starts live when first": (
        {"previous": None}, Evidence(), Policy(), HOUR, context(live=None), "start", S.WATCHED, 0),
    "waits for one": ({}, Evidence(), ONE, HOUR, ENOUGH, "1 more person", None, 0),
    "waits for two": ({}, Evidence(), TWO, HOUR, ENOUGH, "2 more people", None, 0),
    "one agreed": ({"approvals": ("b",)}, Evidence(), ONE, HOUR, ENOUGH, "start", S.CANARY, 0),
    "one agreed twice": (
        {"approvals": ("b", "b")}, Evidence(), TWO, HOUR, ENOUGH, "1 more person", None, 0),
    "two agreed": ({"approvals": ("b", "c")}, Evidence(), TWO, HOUR, ENOUGH, "start", S.CANARY, 0),
    "stopped while pending": (
        {}, Evidence(), ONE, HOUR, context(stop="no"), "stopped", S.ABORTED, 0),
    "stopped": (CANARY, GOOD, Policy(), HOUR, context(stop="no"), "stopped", S.ABORTED, 0),
    "another went live": (
        CANARY, GOOD, Policy(), HOUR, context(live=3), "champion_changed", S.ABORTED, 0),
    "first, but another is live": (
        {"previous": None}, GOOD, Policy(), HOUR, context(live=3), "champion_changed", S.ABORTED,
        0),
    "fails too often": (
        CANARY, evidence(log_e_errors=STOP), Policy(), HOUR, ENOUGH, "failing", S.ABORTED, 0),
    "fails too often in shadow": (
        SHADOW, evidence(log_e_errors=STOP), Policy(), HOUR, ENOUGH, "failing", S.ABORTED, 0),
    "disagrees": (
        CANARY, evidence(log_e_disagree=STOP), Policy(), HOUR, ENOUGH, "disagreeing", S.ABORTED, 0),
    "is slower": (
        CANARY, evidence(log_e_slow=STOP), Policy(), HOUR, ENOUGH, "slow", S.ABORTED, 0),
    "in doubt of latency": (
        CANARY, evidence(log_e_slow=STOP / 2), Policy(), HOUR, ENOUGH, "slower on", None, 0),
    "disagrees in a slice": (
        CANARY, evidence(log_e_disagree=STOP, slice="kind=a", slice_disagreement=0.4), Policy(),
        HOUR, ENOUGH, "disagreeing", S.ABORTED, 0),
    "paused": (CANARY, GOOD, Policy(), HOUR, PAUSED, "paused: stocktaking", None, 0),
    "paused before it began": ({}, Evidence(), Policy(), HOUR, PAUSED, "paused", None, 0),
    "paused for long": (
        CANARY, Evidence(), Policy(), 9 * DAY, context(paused="x", step_pairs=0), "paused", None,
        0),
    "paused but bad": (
        CANARY, evidence(log_e_errors=STOP), Policy(), HOUR, PAUSED, "failing", S.ABORTED, 0),
    "paused but bad once live": (
        WATCHED, evidence(log_e_worse=STOP), Policy(), HOUR, context(live=2, paused="x"), "worse",
        S.ROLLED_BACK, 2),
    "frozen before it began": ({}, Evidence(), Policy(), HOUR, FROZEN, "in 'fri - sun'", None, 0),
    "frozen though direct": (
        {"plan": ()}, Evidence(), Policy(), HOUR, FROZEN, "in 'fri - sun'", None, 0),
    "frozen between steps": (CANARY, GOOD, Policy(), 9 * DAY, FROZEN, "ready, but", None, 0),
    "frozen before it is live": (LAST, GOOD, Policy(), 9 * DAY, FROZEN, "ready, but", None, 2),
    "frozen but bad": (
        CANARY, evidence(log_e_worse=STOP), Policy(), HOUR, FROZEN, "worse", S.ABORTED, 0),
    "frozen and thin": (
        CANARY, GOOD, Policy(), 4 * DAY, context(frozen="x", step_pairs=3), "advance",
        S.INCONCLUSIVE, 0),
    "thin traffic is held": (
        CANARY, GOOD, Policy(on_inconclusive="hold"), 4 * DAY, context(step_pairs=199),
        "inconclusive, held", None, 0),
    "what was held goes on": (
        CANARY, GOOD, Policy(on_inconclusive="hold"), 9 * DAY, ENOUGH, "advance", S.CANARY, 1),
    "green after shadow": (
        {"plan": BLUE_GREEN, "state": S.SHADOW}, evidence(log_e_fine=0), Policy(), HOUR, ENOUGH,
        "advance", S.CANARY, 1),
    "green is live": (GREEN, GOOD, Policy(), HOUR, ENOUGH, "advance", S.WATCHED, 1),
    "green waits for labels": (
        GREEN, evidence(log_e_fine=0), Policy(), HOUR, ENOUGH, "labelled rows", None, 1),
    "green is taken back": (
        GREEN, evidence(log_e_errors=STOP), Policy(), HOUR, ENOUGH, "failing", S.ROLLED_BACK, 1),
    "is worse": (CANARY, evidence(log_e_worse=STOP), Policy(), HOUR, ENOUGH, "worse", S.ABORTED, 0),
    "a stop needs no pairs": (
        CANARY, evidence(log_e_errors=STOP), Policy(), HOUR, context(step_pairs=0), "failing",
        S.ABORTED, 0),
    "traffic breaks the contract": (
        CANARY, evidence(breach="dep_time is in hours"), Policy(), HOUR, ENOUGH, "unlike",
        S.ABORTED, 0),
    "traffic breaks the contract once live": (
        WATCHED, evidence(breach="dep_time is in hours"), Policy(), DAY, context(live=2),
        "is watched", None, 2),
    "goes on": (CANARY, GOOD, Policy(), HOUR, ENOUGH, "advance", S.CANARY, 1),
    "goes on without labels": (
        CANARY, evidence(log_e_fine=0, labelled=0), Policy(), HOUR, ENOUGH, "advance", S.CANARY, 1),
    "thin traffic waits": (
        CANARY, GOOD, Policy(), HOUR, context(step_pairs=199), "199 of 200", None, 0),
    "in doubt of errors": (
        CANARY, evidence(log_e_errors=STOP / 2), Policy(), HOUR, ENOUGH, "failures", None, 0),
    "in doubt of disagreement": (
        CANARY, evidence(log_e_disagree=STOP / 2), Policy(), HOUR, ENOUGH, "differs", None, 0),
    "in doubt of loss": (
        CANARY, evidence(log_e_worse=STOP / 2), Policy(), HOUR, ENOUGH, "loses", None, 0),
    "too slow": (
        CANARY, evidence(latency_p99=0.03), Policy(), HOUR, context(max_latency=0.02), "too slow",
        None, 0),
    "quick enough": (
        CANARY, evidence(latency_p99=0.02), Policy(), HOUR, context(max_latency=0.02), "advance",
        S.CANARY, 1),
    "thin traffic ends inconclusive": (
        CANARY, GOOD, Policy(), 4 * DAY, context(step_pairs=199), "advance", S.INCONCLUSIVE, 0),
    "late but enough": (CANARY, GOOD, Policy(), 4 * DAY, ENOUGH, "advance", S.CANARY, 1),
    "live": (LAST, GOOD, Policy(), HOUR, ENOUGH, "advance", S.WATCHED, 2),
    "live after shadow": (SHADOW, GOOD, Policy(), HOUR, ENOUGH, "advance", S.WATCHED, 0),
    "waits for labels": (
        LAST, evidence(log_e_fine=FINE - 0.01), Policy(), HOUR, ENOUGH, "labelled rows", None, 2),
    "labels do not show it": (
        LAST, evidence(log_e_fine=FINE - 0.01), Policy(), 4 * DAY, ENOUGH, "advance",
        S.INCONCLUSIVE, 2),
    "live where labels are late": (
        LAST, evidence(log_e_fine=0, labelled=0), Policy(), HOUR, context(labels=False), "advance",
        S.WATCHED, 2),
    "thin traffic where labels are late": (
        LAST, evidence(log_e_fine=0), Policy(), 4 * DAY, context(labels=False, step_pairs=3),
        "advance", S.INCONCLUSIVE, 2),
    "watched": (WATCHED, GOOD, Policy(), DAY, context(live=2), "is watched", None, 2),
    "watch over": (WATCHED, GOOD, Policy(), 7 * DAY, context(live=2), "watch_over", S.PROMOTED, 2),
    "rolled back": (
        WATCHED, GOOD, Policy(), 8 * DAY, context(live=2, stop="worse"), "rolled_back",
        S.ROLLED_BACK, 2),
    "rolled back by late labels": (
        WATCHED, evidence(log_e_worse=STOP), Policy(), DAY, context(live=2), "worse",
        S.ROLLED_BACK, 2),
    "disagreement is no matter once live": (
        WATCHED, evidence(log_e_disagree=STOP), Policy(), DAY, context(live=2), "is watched", None,
        2),
    "nothing to go back to": (
        {**WATCHED, "previous": None}, GOOD, Policy(), DAY, context(live=2, stop="worse"),
        "no version to go back to", None, 2),
    "superseded": (WATCHED, GOOD, Policy(), DAY, context(live=3), "superseded", S.SUPERSEDED, 2),
    "superseded before rolled back": (
        WATCHED, GOOD, Policy(), DAY, context(live=3, stop="worse"), "superseded", S.SUPERSEDED, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rules(release: Release, name: str) -> None:
    changes, seen, policy, after, situation, rule, state, step = CASES[name]
    at = msgspec.structs.replace(release, **changes)
    transition = next_transition(at, seen, policy, START + after, situation)
    waits = waits_for(at, seen, policy, START + after, situation)
    if state is None:
        assert transition is None
        assert rule in waits
    else:
        assert transition is not None
        assert (transition.rule, transition.state, transition.step) == (rule, state, step)
        assert transition.reason
        assert waits == ""
        move(at, transition, seen, START)


def test_every_rule_is_documented_and_exercised() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    exercised = {case[5] for case in CASES.values()} | {"approval", "held"}
    for rule in RULES:
        assert rule.ask.__doc__
        assert rule.name in exercised


def test_the_thresholds_split_alpha() -> None:
    assert Context(alpha=0.1).abort_at == pytest.approx(log(40))
    assert Context(alpha=0.1).fine_at == pytest.approx(log(10))
    assert 0 < Context().doubt_at < Context().abort_at


@pytest.mark.parametrize(
    ("delay", "in_time"), [(None, False), (timedelta(0), True), (DAY, True), (2 * DAY, False)]
)
def test_labels_in_time(delay: timedelta | None, in_time: bool) -> None:
    assert labels_in_time(Policy(), delay) == in_time


log_e = st.floats(-10, 10)
looks = st.lists(
    st.tuples(
        st.builds(
            Evidence,
            pairs=st.integers(0, 5000),
            log_e_disagree=log_e,
            log_e_worse=log_e,
            log_e_fine=log_e,
            log_e_errors=log_e,
            latency_p99=st.none() | st.floats(0, 0.1),
        ),
        st.integers(0, 100),
        st.builds(
            Context,
            step_pairs=st.integers(0, 400),
            labels=st.booleans(),
            live=st.none() | st.integers(1, 3),
            stop=st.sampled_from(["", "", "", "no"]),
            max_latency=st.none() | st.just(0.05),
        ),
    ),
    max_size=30,
)
policies = st.builds(
    Policy,
    strategy=st.sampled_from(["direct", "shadow", "canary", "blue_green"]),
    steps=st.sampled_from([(0.05, 0.25, 0.5), (0.9,), (0.1, 0.2)]),
    approval=st.sampled_from(["none", "one", "two"]),
)


@settings(max_examples=300, deadline=None)
@given(policy=policies, previous=st.none() | st.just(1), approvals=st.integers(0, 2), looks=looks)
def test_whatever_happens(
    policy: Policy,
    previous: int | None,
    approvals: int,
    looks: list[tuple[Evidence, int, Context]],
) -> None:
    """States move along edges only, ends stay, weights keep to the plan, no step is skipped."""
    release = Release(
        id="r", model="m", version=2, previous=previous, plan=plan(policy), state=S.PENDING,
        started_at=START, step_at=START, actor="a", approvals=("x", "y")[:approvals],
    )  # fmt: skip
    new = Arm(version=2, bundle="b2", path="/2")
    old = Arm(version=1, bundle="b1", path="/1") if previous else None
    now, seen_steps = START, set()
    for seen, hours, situation in looks:
        now += hours * HOUR
        before = release
        transition = next_transition(release, seen, policy, now, situation)
        if transition is None:
            continue
        release = move(release, transition, seen, now)
        assert not before.state.ended
        assert release.state in EDGES[before.state]
        if before.state == S.PENDING and release.state != S.ABORTED:
            assert approvals >= {"none": 0, "one": 1, "two": 2}[policy.approval]
        if release.state in (S.SHADOW, S.CANARY):
            seen_steps.add(release.step)
            orders = route_for(release, new, old)
            share = sum(arm.weight for arm in orders.arms if arm.version == 2)
            most = 1.0 if policy.strategy == "blue_green" else max(policy.steps)
            assert share == release.plan[release.step].weight <= most
            assert sum(arm.weight for arm in orders.arms) == pytest.approx(1)
        if release.state == S.WATCHED:
            assert previous is None or seen_steps == set(range(len(release.plan)))
            if previous and release.plan:
                assert situation.step_pairs >= situation.minimum
                assert not situation.labels or seen.log_e_fine >= situation.fine_at
