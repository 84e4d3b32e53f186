from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import DataError
from holdfast.statistics.bootstrap import interval, paired_difference
from holdfast.statistics.draws import Draws, difference_of, draws_of_rows, interval_of, turned

RNG = np.random.default_rng(3)
TRUTH = RNG.integers(0, 2, 600)
A, B = (np.clip(0.3 * TRUTH + 0.7 * RNG.random(600), 0, 1) for _ in range(2))
ROWS = np.stack([np.square(A - TRUTH), np.square(B - TRUTH)])


def test_a_mean_of_rows_has_the_bounds_of_the_built_in_metric():
    draws = turned(draws_of_rows("brier", ROWS, seed=1, resamples=500), "neg_brier")
    own, built_in = interval_of(draws), interval("neg_log_loss", "binary", TRUTH, A, seed=1)
    assert own.name == "neg_brier"
    known = -np.square(A - TRUTH).mean()
    assert own.value == pytest.approx(known)
    assert own.low < known < own.high
    assert built_in.n == own.n == 600
    pair = paired_difference("neg_brier_score", "binary", TRUTH, A, B, seed=1)
    difference = difference_of(draws, alpha=0.05)
    assert difference.value == pytest.approx(pair.value)
    assert difference.se == pytest.approx(pair.se, rel=1e-6), "the same draws"
    assert difference.low == pytest.approx(pair.low, abs=1e-3)
    assert (difference.a, difference.b) == pytest.approx((pair.a, pair.b))


def test_two_models_that_agree_on_few_rows_are_not_proven_equal():
    few = np.stack([ROWS[0, :40], ROWS[0, :40]])
    difference = difference_of(draws_of_rows("m:f", few, seed=1, resamples=200))
    assert difference.value == 0
    assert difference.low < -0.01


def test_draws_without_a_value_are_left_out_until_most_are():
    drawn = np.array([[1.0], [np.nan], [3.0]])
    assert interval_of(Draws("m:f", 9, (2.0,), drawn)).low < 2
    with pytest.raises(DataError) as error:
        interval_of(Draws("m:f", 9, (2.0,), np.full((9, 1), np.nan)))
    assert error.value.code == "statistics.too_few_rows"


@pytest.mark.parametrize("worse", [0.0, 0.05])
def test_false_passes_of_a_value_of_each_row_stay_within_alpha(worse):
    """A candidate that is worse by the margin passes in at most alpha of all samples."""
    passes = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shared = rng.exponential(size=400)
        rows = np.stack([shared + rng.normal(-worse, 0.2, 400), shared + rng.normal(0, 0.2, 400)])
        found = difference_of(draws_of_rows("m:f", rows, seed=seed, resamples=200))
        passes += found.low >= -0.05 if worse else found.low > 0
    # alpha = 0.05: 10 of 200 expected; more than 20 has a chance of 0.1 %.
    assert passes <= 20
