import msgspec
import pytest

from holdfast.errors import ConflictError
from holdfast.records import Arm, Release, ReleaseState, Step
from holdfast.release.arms import route_for

S = ReleaseState


def weights(arms: tuple[Arm, ...]) -> dict[int, float]:
    return {arm.version: arm.weight for arm in arms}


@pytest.mark.parametrize("state", [S.PENDING, S.ABORTED, S.INCONCLUSIVE, S.ROLLED_BACK])
def test_only_the_old_version_answers(release: Release, new: Arm, old: Arm, state: S) -> None:
    orders = route_for(msgspec.structs.replace(release, state=state), new, old)
    assert weights(orders.arms) == {1: 1.0}
    assert (orders.shadow, orders.resident, orders.mirror) == ((), (), False)


@pytest.mark.parametrize("state", [S.WATCHED, S.PROMOTED])
def test_only_the_new_one_answers_and_the_old_stays_loaded(
    release: Release, new: Arm, old: Arm, state: S
) -> None:
    live = msgspec.structs.replace(release, state=state)
    orders = route_for(live, new, old)
    assert weights(orders.arms) == {2: 1.0}
    assert weights(orders.resident) == {1: 0.0}
    assert not orders.mirror
    assert route_for(live, new, None).resident == ()


@pytest.mark.parametrize(("step", "share"), [(0, 0.05), (1, 0.25), (2, 0.5)])
def test_a_canary_answers_its_share_and_is_mirrored(
    canary: Release, new: Arm, old: Arm, step: int, share: float
) -> None:
    orders = route_for(msgspec.structs.replace(canary, step=step), new, old)
    assert weights(orders.arms) == {1: 1 - share, 2: share}
    assert sum(arm.weight for arm in orders.arms) == 1
    assert orders.mirror
    assert orders.arms[0] == msgspec.structs.replace(old, weight=1 - share)


def test_a_shadow_answers_nobody(release: Release, new: Arm, old: Arm) -> None:
    shadow = msgspec.structs.replace(release, state=S.SHADOW, plan=(Step(kind="shadow"),))
    orders = route_for(shadow, new, old)
    assert weights(orders.arms) == {1: 1.0}
    assert weights(orders.shadow) == {2: 0.0}
    assert not orders.mirror


@pytest.mark.parametrize("state", [S.PENDING, S.SHADOW, S.CANARY, S.ABORTED, S.ROLLED_BACK])
def test_there_must_be_something_to_go_back_to(release: Release, new: Arm, state: S) -> None:
    with pytest.raises(ConflictError) as caught:
        route_for(msgspec.structs.replace(release, state=state), new, None)
    assert caught.value.code == "release.nothing_before"


def test_a_superseded_release_gives_no_orders(release: Release, new: Arm, old: Arm) -> None:
    with pytest.raises(ConflictError) as caught:
        route_for(msgspec.structs.replace(release, state=S.SUPERSEDED), new, old)
    assert caught.value.code == "release.superseded"
