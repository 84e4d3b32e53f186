from __future__ import annotations

import numpy as np
import pytest

from holdfast.statistics.single import explained, number_cells, one_hot


def halves(values, target):
    known, new = number_cells(values[:5000], values[5000:])
    return explained(known, target[:5000], new, target[5000:])


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0, 3.0])
def test_it_is_r_squared_of_the_feature_alone(noise):
    random = np.random.default_rng(1)
    values = random.normal(size=10_000)
    found = halves(values, values + noise * random.normal(size=10_000))
    assert found.value == pytest.approx(1 / (1 + noise**2), abs=0.03)


def test_a_copy_of_the_label_is_seen_and_noise_is_not():
    random = np.random.default_rng(2)
    label = random.integers(0, 3, 10_000)
    target = one_hot(label, (0, 1, 2))
    assert halves(label.astype(float) ** 2, target).value > 0.99
    assert abs(halves(random.normal(size=10_000), target).value) < 0.03


def test_missing_values_are_a_cell_of_their_own():
    label = np.arange(10_000) % 2
    assert halves(np.where(label == 1, np.nan, 4.0), label.astype(float)).value > 0.99
    assert halves(np.full(10_000, np.nan), label.astype(float)).value == pytest.approx(0, abs=0.01)


def test_a_label_that_never_changes_is_not_explained():
    assert halves(np.arange(10_000.0), np.ones(10_000)) == (0.0, 0.0)
