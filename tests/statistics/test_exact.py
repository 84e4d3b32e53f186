from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from holdfast.statistics.exact import clopper_pearson, mcnemar, quantile_bounds, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (20, 20)])
def test_bounds_of_a_share_are_scipys(hits, n):
    for found, method in ((clopper_pearson(hits, n, 0.025), "exact"), (wilson(hits, n, 1.959964),
                          "wilson")):  # fmt: skip
        wanted = binomtest(hits, n).proportion_ci(0.95, method=method)
        assert found == pytest.approx((wanted.low, wanted.high), abs=1e-6)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (12, 7), (3, 9)])
def test_mcnemar_is_the_binomial_test_of_a_fair_coin(won, lost):
    if won + lost:
        wanted = binomtest(won, won + lost, 0.5, "greater").pvalue
        assert mcnemar(won, lost) == pytest.approx(wanted)
    else:
        assert mcnemar(won, lost) == 1.0


@pytest.mark.parametrize("n", [1, 2, 37, 400, 5000])
@pytest.mark.parametrize("q", [0.5, 0.99])
def test_the_places_are_quantiles_of_the_binomial(n, q):
    low, high = binom.ppf((0.05, 0.95), n, q)
    assert quantile_bounds(n, q, 0.05) == (max(low - 1, 0), min(high, n - 1))


def test_order_statistics_hold_the_quantile():
    random = np.random.default_rng(1)
    values = np.sort(random.random((2000, 1000)), axis=1)
    low, high = quantile_bounds(1000, 0.99, 0.05)
    assert np.mean(values[:, low] > 0.99) <= 0.065
    assert np.mean(values[:, high] < 0.99) <= 0.065


def test_with_few_values_the_last_one_is_named():
    assert quantile_bounds(10, 0.99, 0.05)[1] == 9
