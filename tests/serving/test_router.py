from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import BundleError
from holdfast.records import Arm, Field
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Opened
from holdfast.serving.router import LiveRoute, Loaded, check_compatible


def loaded(toys: Any, version: int, **more: Any) -> Loaded:
    return Loaded(toys.arm(version), Opened(toys.Toy(**more), {}), Limits())


def live(toys: Any, weights: dict[int, float], **more: Any) -> LiveRoute:
    arms = [toys.arm(version, weight) for version, weight in weights.items()]
    pairs: list[tuple[Arm, Loaded]] = [(arm, loaded(toys, arm.version)) for arm in arms]
    return LiveRoute(toys.route(1, *arms, **more), pairs, [], [], Limits())


def chosen(toys: Any, weights: dict[int, float], keys: list[str]) -> list[int]:
    route = live(toys, weights)
    return [route.choose(key).version for key in keys]


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=4),
    raised=st.integers(0, 3),
    factor=st.floats(1, 20),
)
def test_raising_a_weight_only_moves_keys_towards_it(
    toys: Any, weights: list[float], raised: int, factor: float
) -> None:
    raised %= len(weights)
    keys = [f"key-{number}" for number in range(100)]
    before = dict(enumerate(weights))
    after = {**before, raised: before[raised] * factor}
    for one, other in zip(chosen(toys, before, keys), chosen(toys, after, keys), strict=True):
        assert other in (one, raised)


@pytest.mark.parametrize("weight", [0.05, 0.25, 0.5])
def test_the_share_is_the_weight_and_every_server_agrees(toys: Any, weight: float) -> None:
    keys = [f"user-{number}" for number in range(20_000)]
    versions = chosen(toys, {1: 1 - weight, 2: weight}, keys)
    assert abs(versions.count(2) / len(keys) - weight) < 0.012
    turned = chosen(toys, {2: weight, 1: 1 - weight}, keys[:500])
    assert turned == versions[:500]
    again = chosen(toys, {1: 1 - weight, 3: weight}, keys)
    both = sum(a >= 2 and b == 3 for a, b in zip(versions, again, strict=True))
    assert both < versions.count(2)  # another version meets other users first


def test_no_weight_is_no_answer(toys: Any) -> None:
    assert set(chosen(toys, {1: 1.0, 2: 0.0}, list("abcdefgh"))) == {1}
    assert live(toys, {1: 0.5, 2: 0.5}).champion.version == 1
    assert chosen(toys, {1: 0.5, 2: 0.5}, ["\ud800", ""])  # any text is a key


def test_watchers(toys: Any) -> None:
    arms = [toys.arm(1, 0.9), toys.arm(2, 0.1)]
    pairs = [(arm, loaded(toys, arm.version)) for arm in arms]
    shadow = loaded(toys, 3)
    for mirror, answered, expected in (
        (False, 1, [3]), (False, 2, [3]), (True, 1, [3, 2]), (True, 2, [3, 1]),
    ):  # fmt: skip
        route = LiveRoute(toys.route(1, *arms, mirror=mirror), pairs, [shadow], [], Limits())
        found = route.watchers([route.versions[answered]])
        assert [version.version for version in found] == expected


AGE = Field(name="age", type="double", nullable=False)
CITY = Field(name="city", type="string")


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ((AGE, Field(name="new", type="double")), "it needs the column 'new'"),
        ((Field(name="age", type="long", nullable=False),), "takes 'age' as long, not double"),
        ((AGE, Field(name="city", type="string", nullable=False)), "no null in 'city'"),
    ],
)
def test_versions_that_need_more_cannot_stand_beside(
    toys: Any, inputs: tuple[Field, ...], says: str
) -> None:
    champion = loaded(toys, 1, inputs=(AGE, CITY))
    with pytest.raises(BundleError, match=says):
        check_compatible(loaded(toys, 2, inputs=inputs), champion)
    check_compatible(loaded(toys, 2, inputs=(CITY,)), champion)
    with pytest.raises(BundleError, match="it is regression, not binary"):
        check_compatible(loaded(toys, 2, task="regression", inputs=(AGE,)), champion)
