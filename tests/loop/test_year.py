"""A year of noisy quality, seasons and late labels: the loop neither oscillates nor sleeps."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from tests.loop.simulation import DAY, MONTH, START, Life, World

from holdfast.spec import Retrain

pytestmark = pytest.mark.heavy  # a year takes a quarter of a minute

POLICY = Retrain(on=("drift",), cooldown=timedelta(days=7), per_month=2, window=90 * DAY)


def _hygienic(life: Life) -> None:
    """What must hold whatever the world does."""
    for at in life.retrains:
        assert sum(at - MONTH < one <= at for one in life.retrains) <= POLICY.per_month
    for one, two in zip(life.retrains, life.retrains[1:], strict=False):
        assert two - one >= POLICY.cooldown
    for at in life.rolled_back:  # after a rollback the wait has doubled
        assert not [one for one in life.retrains if at < one and one < at + POLICY.cooldown]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_year_in_which_nothing_is_wrong(seed: int) -> None:
    life = Life(World(seed=seed), POLICY, every=3).live(365)
    _hygienic(life)
    actions = Counter(one.action for one in life.decisions)
    assert len(life.retrains) <= 6, actions
    assert life.rolled_back == []
    assert len(life.released) == 1 + sum(life.outcomes)
    assert not [
        one
        for _, seen in life.looks
        for one in seen.findings
        if one.pages and one.kind == "contract"
    ], "no season breaks the contract"


def test_a_year_in_which_the_world_turns_twice() -> None:
    """What wind means changes in spring, and back in autumn. In between the world is harder, and
    nobody accepts it: the loop goes on within its budget, and gets as good as one can be.
    """
    turn = lambda day: 1.4 if 120 <= day < 270 else 0.0  # noqa: E731
    life = Life(World(seed=3, turn=turn), POLICY, every=3).live(365)
    _hygienic(life)
    for start, end in ((120, 270), (270, 425)):
        assert len([at for at in life.rolled_back if start <= (at - START) // DAY < end]) <= 1
    for change in (120, 270):
        changed = START + change * DAY
        assert any(changed < at <= changed + 30 * DAY for at in life.retrains), life.retrains
    assert 2 <= len(life.released) - 1 <= 20
    # What is known of the chances alone costs 0.22; a loop that went quiet stayed at 0.40.
    assert life.loss(240, 270) <= 0.24
    assert life.loss(395, 425) <= life.versions[0].reference.loss + life.monitor.tolerance
