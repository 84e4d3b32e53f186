"""Moments: exact whatever the order, and close to what they stand for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.monitoring.moments import grid_of, grouped_moments, moments_of
from holdfast.records import Bins

WIDE = st.floats(allow_nan=False, allow_infinity=False)


def _bits(*numbers: float) -> list[bytes]:
    return [np.float64(number).tobytes() for number in numbers]


@given(
    values=st.lists(WIDE, min_size=1, max_size=60),
    edge=st.floats(1e-300, 1e300),
    random=st.randoms(use_true_random=False),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_any_split_and_order_adds_up_to_the_same_bits(values, edge, random, cuts) -> None:
    grid = grid_of(Bins(column="x", kind="numeric", edges=(-edge, edge)))
    whole = moments_of(np.array(values), grid)
    shuffled = random.sample(values, len(values))
    bounds = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    parts = [moments_of(np.array(shuffled[a:b]), grid) for a, b in itertools.pairwise(bounds)]
    n, total, squares = (sum(part[i] for part in parts) for i in range(3))
    low, high = min(part[3] for part in parts), max(part[4] for part in parts)
    assert _bits(*whole) == _bits(n, total, squares, low, high)
    of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)).astype(np.intp)
    grouped = grouped_moments(of, np.array(shuffled), len(parts), grid)
    assert _bits(*grouped.T.ravel()) == _bits(*itertools.chain(*parts))


def test_mean_and_variance_are_those_of_the_values() -> None:
    values = np.random.default_rng(0).normal(40, 3, 10_000)
    grid = grid_of(Bins(column="x", kind="numeric", edges=(29.0, 51.0)))
    n, total, squares, *_ = moments_of(values, grid)
    assert total / n == pytest.approx(values.mean(), abs=grid.unit)
    assert squares / n - (total / n) ** 2 == pytest.approx(values.var(), abs=1e-4)


def test_one_absurd_value_is_held_to_eight_times_the_range() -> None:
    grid = grid_of(Bins(column="x", kind="numeric", edges=(0.0, 10.0)))
    _, total, squares, low, high = moments_of(np.array([1e300, 1.0]), grid)
    assert total == 8 * 16 + 1
    assert squares == (8 * 16) ** 2 + 1
    assert (low, high) == (1.0, 1e300)
