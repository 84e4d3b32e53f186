from datetime import datetime, timedelta

import msgspec
import pytest

from holdfast.errors import ConflictError
from holdfast.records import Evidence, Release, ReleaseState, Transition
from holdfast.release.states import EDGES, move

S = ReleaseState


def to(state: S, step: int = 0) -> Transition:
    return Transition(rule="r", state=state, step=step, reason="because")


def test_the_ends_are_the_states_nothing_follows() -> None:
    assert set(EDGES) == set(S)
    assert {state for state in S if state.ended} == {state for state in S if not EDGES[state]}


def test_a_move_is_noted_with_its_evidence(canary: Release, start: datetime) -> None:
    now, evidence = start + timedelta(hours=1), Evidence(pairs=300)
    moved = move(canary, to(S.CANARY, 1), evidence, now)
    assert (moved.step, moved.step_at, moved.reason, moved.evidence) == (
        1,
        now,
        "because",
        evidence,
    )
    assert moved.started_at == start


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_only_edges_may_be_taken(release: Release, start: datetime, before: S, after: S) -> None:
    at = msgspec.structs.replace(release, state=before)
    step = 0 if before == S.PENDING else 1
    if after in EDGES[before] and after != S.SHADOW:  # the plan has no shadow step
        assert move(at, to(after, step), Evidence(), start).state == after
    else:
        with pytest.raises(ConflictError) as caught:
            move(at, to(after, step), Evidence(), start)
        assert caught.value.code == "release.transition"


@pytest.mark.parametrize("step", [0, 2, 3])
def test_no_step_is_skipped_or_repeated(canary: Release, start: datetime, step: int) -> None:
    with pytest.raises(ConflictError):
        move(canary, to(S.CANARY, step), Evidence(), start)
    last = msgspec.structs.replace(canary, step=2)
    with pytest.raises(ConflictError):
        move(last, to(S.CANARY, 3), Evidence(), start)
