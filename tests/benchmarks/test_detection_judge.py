"""The judge of monitors: it counts alarms, keeps a budget, and rewards nobody for alarming."""

from __future__ import annotations

import math

import numpy as np
import pytest
from detection.judge import (
    HORIZON,
    Track,
    calibrate,
    compare,
    delays,
    incidents,
    rate,
)
from hypothesis import given
from hypothesis import strategies as st

DAYS = 30
LEVELS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]


def _tests(random: np.random.Generator, streams: int) -> list[Track]:
    """A monitor with true p-values: at level p it alarms on a share p of the days."""
    return [
        Track(
            settings=[str(level) for level in LEVELS], usual=0,
            days=[np.flatnonzero(p <= level).tolist() for level in LEVELS],
        )
        for p in (random.random(DAYS) for _ in range(streams))
    ]  # fmt: skip


def test_calibrating_keeps_the_budget_on_other_streams() -> None:
    """1 alarm in 30 days is a level of 1/30; the grid has 0.03, the next would be three a month."""
    place = calibrate(_tests(np.random.default_rng(1), 200), 200 * DAYS)
    assert LEVELS[place] == 0.03
    others = _tests(np.random.default_rng(2), 200)
    alarms = rate(sum(incidents(one.days[place]) for one in others), 200 * DAYS)
    assert alarms.low <= 1.0 <= alarms.high * 1.2  # about 0.9: as much as the grid allows
    stricter = calibrate(_tests(np.random.default_rng(1), 200), 200 * DAYS, budget=0.05)
    assert LEVELS[stricter] <= 0.003


def test_who_is_always_in_alarm_has_no_setting() -> None:
    always = Track(settings=["strict", "lax"], usual=1, days=[[0, 2, 4], list(range(DAYS))])
    assert incidents(always.days[1]) == 1  # one long alarm: it must not pass for a quiet monitor
    assert calibrate([always], DAYS) is None
    assert calibrate([always], DAYS, budget=3) == 1


@given(st.lists(st.booleans(), max_size=40))
def test_incidents_are_runs(flags: list[bool]) -> None:
    days = [day for day, flag in enumerate(flags) if flag]
    runs = "".join("x" if flag else " " for flag in flags).split()
    assert incidents(days) == len(runs)


def test_delays_count_from_the_day_of_the_change() -> None:
    found = delays([[10], [12, 13], [3, 15], []], change=10)
    assert found.found == 3
    assert found.each == (1.0, 3.0, 6.0, HORIZON + 1.0)
    assert found.median == 3.0
    assert found.mean == pytest.approx((1 + 3 + 6 + HORIZON + 1) / 4)
    assert found.missed.startswith("25%")


def test_an_alarm_before_the_change_finds_nothing() -> None:
    assert delays([[2, 3]], change=10).found == 0
    # Already in alarm: what it would have said is not known.
    assert delays([[9, 10, 11]], change=10).streams == 0
    assert delays([[10 + HORIZON]], change=10).found == 0


def test_a_median_that_was_missed_is_never() -> None:
    assert math.isinf(delays([[], [], [10]], change=10).median)
    assert "never" in str(delays([[], [], [10]], change=10))


def test_a_duel_has_a_winner_only_where_it_is_sure() -> None:
    quick = delays([[11], [11], [12], [11]], change=10)
    slow = delays([[25], [26], [24], [25]], change=10)
    gap, low, high = compare(quick, slow)
    assert 0 < low < gap < high
    assert compare(slow, quick)[2] < 0
    gap, low, high = compare(quick, quick)
    assert low <= gap == 0 <= high


def test_rates_have_exact_intervals() -> None:
    """Garwood's bounds of 10 events: 4.795 and 18.39."""
    ten = rate(10, 300)
    assert (ten.months, ten.value) == (10, 1.0)
    assert ten.low == pytest.approx(0.4795, abs=1e-4)
    assert ten.high == pytest.approx(1.8390, abs=1e-4)
