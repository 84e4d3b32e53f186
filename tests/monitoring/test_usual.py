"""What days reach by themselves: variance components, days that hang together, heavy tails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.monitoring.usual import (
    between_days,
    beyond_usual,
    days_apart,
    distance_of,
    following,
    full_days,
    of_a_mean,
    reached,
    shift_of,
)
from holdfast.records import Between
from holdfast.statistics.histogram import rank_wasserstein


def _days(rng: np.random.Generator, days: int, rho: float, rows: int = 2000):
    """(1, 16) all and (days, 16) counts of a normal whose mean follows itself by ``rho``."""
    level = rng.normal(size=days)
    for i in range(1, days):
        level[i] = rho * level[i - 1] + np.sqrt(1 - rho**2) * level[i]
    edges = np.linspace(-2, 2, 15)
    values = 0.3 * level[:, None] + rng.normal(size=(days, rows))
    now = np.array([np.bincount(np.searchsorted(edges, one), minlength=16) for one in values])
    return now.sum(axis=0)[None], now


@settings(deadline=None)
@given(st.floats(0, 0.99))
def test_a_distance_is_a_shift_and_back(distance: float) -> None:
    assert float(distance_of(shift_of(distance))) == pytest.approx(distance, abs=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_how_days_follow_one_another_is_learned(rho: float) -> None:
    """Mean of 20 series of 28 days, five columns each; within 0.1 of the truth."""
    rng = np.random.default_rng(0)
    found = [following([_days(rng, 28, rho) for _ in range(5)], np.arange(28)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(rho, abs=0.1)
    assert following([_days(rng, 8, rho)], np.arange(8)) == 0.5  # too few to say


def test_days_with_gaps_are_not_neighbours() -> None:
    rng = np.random.default_rng(1)
    assert following([_days(rng, 28, 0.9)], np.arange(28) * 2) == 0.5


def test_the_mean_of_days_that_follow_one_another() -> None:
    rng = np.random.default_rng(2)
    level = rng.normal(size=(20_000, 7))
    for i in range(1, 7):
        level[:, i] = 0.7 * level[:, i - 1] + np.sqrt(0.51) * level[:, i]
    assert of_a_mean(0.7, 7) == pytest.approx(level.mean(axis=1).var(), rel=0.05)
    assert of_a_mean(0.9, 1) == 1.0


@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_a_new_day_stays_within_what_is_usual(alpha: float) -> None:
    """The share of new days beyond it, over 4,000 references of 28 normal days: at most alpha.

    The standard error is half a thousandth at 0.005; two and a half of it are allowed.
    """
    rng = np.random.default_rng(3)
    shifts = 0.4 * rng.normal(size=(29, 4000))
    away = distance_of(np.abs(shifts[:28] - shifts[:28].mean(axis=0)) * np.sqrt(28 / 27))
    between = between_days(away, np.zeros_like(away), 0.0)
    new = distance_of(np.abs(shifts[28] - shifts[:28].mean(axis=0)))
    beyond = float((new > beyond_usual(between, alpha)).mean())
    error = np.sqrt(alpha * (1 - alpha) / 4000)
    assert beyond <= alpha + 2.5 * error


@settings(deadline=None)
@given(st.floats(1e-6, 0.5), st.sampled_from([1, 3, 7]))
def test_how_often_days_reach_so_far_is_the_inverse_of_how_far(alpha: float, span: int) -> None:
    between = Between(days=28, following=0.4, spread=(0.2, 0.05), freedom=(28.0, 4.0))
    far = beyond_usual(between, alpha, span)
    assert reached(between, far, span) == pytest.approx([alpha, alpha], rel=1e-4)
    both = beyond_usual(between, [alpha, alpha / 2], span)
    assert both.shape == (2, 2)
    assert both[0].tolist() == far.tolist()


def test_days_that_never_vary_are_passed_by_any_distance() -> None:
    calm = Between(days=28, following=0.0, spread=(0.0,), freedom=(28.0,))
    assert reached(calm, [0.01]).tolist() == [0.0]
    assert reached(calm, [0.0]).tolist() == [1.0]
    assert reached(None, [0.01, 0.0]).tolist() == [0.0, 0.0]


def test_chance_is_not_a_difference_of_days() -> None:
    """500 rows a day, all days alike: where chance alone is a shift of 0.05, the spread is less."""
    rng = np.random.default_rng(4)
    whole = rng.multinomial(100_000, np.full(50, 0.02))
    apart = rank_wasserstein(whole, rng.multinomial(500, np.full(50, 0.02), size=(30, 20)))
    between = between_days(apart.value, apart.chance, 0.0)
    assert np.mean(between.spread) < 0.02


def test_heavy_tails_and_neighbours_leave_fewer_degrees_of_freedom() -> None:
    rng = np.random.default_rng(5)
    calm = distance_of(np.abs(rng.normal(size=(45, 1))) * 0.3)
    rain = np.where(np.arange(45)[:, None] % 15 == 0, 0.7, 0.01)
    none = np.zeros((45, 1))
    free = between_days(calm, none, 0.0).freedom[0]
    assert between_days(calm, none, 0.7).freedom[0] < free / 2
    assert between_days(rain, none, 0.0).freedom[0] < 6


def test_longer_runs_reach_less_far_unless_days_hang_together() -> None:
    free = Between(days=28, following=0.0, spread=(0.2,), freedom=(28.0,))
    tied = Between(days=28, following=0.9, spread=(0.2,), freedom=(28.0,))
    assert beyond_usual(free, 0.01, 7)[0] < 0.6 * beyond_usual(free, 0.01, 1)[0]
    assert beyond_usual(tied, 0.01, 7)[0] > 0.8 * beyond_usual(tied, 0.01, 1)[0]
    assert beyond_usual(None, 0.01).size == 0
    hours = beyond_usual(free, 0.01, 1 / 24)  # less than a day varies no less than one
    assert hours.tolist() == beyond_usual(free, 0.01, 1).tolist()


def test_days_are_held_against_days_that_are_not_near() -> None:
    days = np.arange(28)
    full = full_days(np.full(28, 500))
    apart = days_apart(days, full)
    assert not apart[10, 7:14].any()
    assert apart[10].sum() == 21
    assert full_days(np.array([500, 500, 3])).size == 0
