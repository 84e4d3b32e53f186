"""Distances between histograms: known values, bounds, and no alarm by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.statistics import histogram as hg

COUNTS = st.lists(st.integers(0, 200), min_size=6, max_size=6)


@given(COUNTS, COUNTS)
@settings(max_examples=100, deadline=None)
def test_distances_stay_in_bounds(a: list[int], b: list[int]) -> None:
    for distance in (hg.rank_wasserstein(a, b), hg.total_variation(a, b)):
        assert -1e-9 <= distance.value <= 1 + 1e-9
        assert 0 <= distance.low() <= distance.value + 1e-9
        assert distance.high() <= 1
    assert 0 <= hg.jensen_shannon(a, b) <= 1 + 1e-9
    assert hg.psi(a, b) >= 0


@given(COUNTS)
@settings(max_examples=50, deadline=None)
def test_nothing_is_no_distance_from_itself(a: list[int]) -> None:
    a = [one + 1 for one in a]
    assert hg.rank_wasserstein(a, a).value == pytest.approx(0, abs=1e-12)
    assert hg.total_variation(a, a).value == 0


def test_everything_beyond_the_range_is_one() -> None:
    assert hg.rank_wasserstein([0, 5, 5, 0], [0, 0, 0, 9]).value == pytest.approx(1)
    assert hg.rank_wasserstein([0, 5, 5, 0], [9, 0, 0, 0]).value == pytest.approx(1)
    assert hg.total_variation([5, 5, 0], [0, 0, 9]).value == 1


def test_many_windows_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    reference, windows = rng.integers(0, 99, 20), rng.integers(0, 99, (7, 20))
    for function in (hg.rank_wasserstein, hg.total_variation):
        many = function(reference, windows)
        for i, window in enumerate(windows):
            one = function(reference, window)
            np.testing.assert_allclose([part[i] for part in many], [float(p) for p in one])


def test_shift_of_a_normal_and_coverage_of_the_lower_bound() -> None:
    """A shift of 0.3 sd is 0.167 (0.56·δ); the lower bound is missed in ≤ 5 % + 3 sd of 500."""
    rng = np.random.default_rng(1)
    edges = np.quantile(rng.normal(size=200_000), np.linspace(0, 1, 257)[1:-1])
    count = lambda x: np.bincount(np.searchsorted(edges, x), minlength=256)  # noqa: E731
    truth = float(
        hg.rank_wasserstein(
            count(rng.normal(size=2_000_000)), count(rng.normal(0.3, 1, 2_000_000))
        ).value
    )
    assert truth == pytest.approx(0.168, abs=0.004)
    missed = 0
    for _ in range(500):
        distance = hg.rank_wasserstein(
            count(rng.normal(size=5000)), count(rng.normal(0.3, 1, 2000))
        )
        missed += bool(distance.low() > truth)
    assert missed / 500 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_psi_of_nothing_is_about_nothing() -> None:
    """The bias is taken off: the mean over 500 null windows of 200 rows stays below 0.03."""
    rng = np.random.default_rng(2)
    p = np.full(20, 0.05)
    reference = rng.multinomial(20_000, p)
    assert hg.psi(reference, rng.multinomial(200, p, size=500)).mean() < 0.03


def test_one_absurd_value_does_not_hide_a_shift() -> None:
    reference = np.full(20, 100)
    shifted = np.concatenate([np.full(10, 60), np.full(10, 140)])
    absurd = shifted.copy()
    absurd[-1] += 1
    one, other = (float(hg.rank_wasserstein(reference, c).value) for c in (shifted, absurd))
    assert abs(one - other) < 0.005


def test_coarse_groups_are_even_and_keep_counts() -> None:
    counts = np.arange(100)
    groups = hg.coarsen(counts, 16)
    sums = hg.regroup(counts, groups)
    assert 10 <= sums.size <= 16
    assert sums.sum() == counts.sum()
    assert (np.diff(groups) >= 0).all()
    assert sums.max() < 2.5 * sums.mean()
