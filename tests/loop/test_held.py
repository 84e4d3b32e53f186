"""After an abrupt change the loop does not settle for a loss that nobody agreed to."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.loop.simulation import DAY, START, Life, World

from holdfast.monitoring.loss_monitor import tolerated
from holdfast.spec import Retrain

CHANGE = 80
# Whoever waits twelve days has a test set of the new world, and rows to learn of the old one.
POLICY = Retrain(
    on=("drift",), cooldown=timedelta(days=10), per_month=2, window=60 * DAY, persistence=12
)


def _day(at: datetime) -> int:
    return (at - START) // DAY


def _abrupt(day: int) -> float:
    """What wind means is turned round, for good."""
    return 2.0 if day >= CHANGE else 0.0


def _spell(day: int) -> float:
    """The same, for two weeks."""
    return 2.0 if CHANGE <= day < CHANGE + 14 else 0.0


def test_without_the_level_the_loop_would_go_quiet() -> None:
    """The weakness itself, so that the next test cannot pass for another reason."""
    life = Life(World(seed=3, turn=_abrupt), POLICY, every=3, holds=False).live(90)
    assert len(life.retrains) == 1
    assert [what for _, what in life.incidents] == ["opened", "closed"]
    assert life.loss(120, 148) > 2 * life.versions[0].reference.loss


def test_it_goes_on_until_the_loss_is_back() -> None:
    life = Life(World(seed=3, turn=_abrupt), POLICY, every=3).live(120)
    level = tolerated(life.versions[0].reference, life.monitor)
    (opened, _), (closed, what) = life.incidents
    assert what == "closed"
    assert life.versions[1].reference.loss > level, "the first new version would tolerate it"
    assert _day(opened) < _day(life.released[1][0]) < _day(closed)
    for one, two in zip(life.retrains, life.retrains[1:], strict=False):
        assert two - one >= POLICY.cooldown
    assert len(life.retrains) <= 2 * 4 + 1
    assert life.rolled_back == [], "it did what its own held-out rows promised"
    assert life.loss(170, 178) <= level
    assert not [at for at in life.retrains if at > closed], "then it rests"


def test_a_world_that_comes_back_closes_the_incident_and_nothing_swings() -> None:
    life = Life(World(seed=4, turn=_spell), POLICY, every=3).live(90)
    assert life.level is None
    opened = [at for at, what in life.incidents if what == "opened"]
    assert len(opened) <= 2
    assert len(life.retrains) <= 3
    assert life.loss(130, 148) <= tolerated(life.versions[0].reference, life.monitor)
    assert not [at for at in life.retrains if _day(at) > 130]
