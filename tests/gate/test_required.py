from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.gate.required import POWER, required_rows


@given(st.integers(10, 10_000), st.floats(0.01, 0.5), st.floats(0.001, 1.0), st.floats(0.0, 0.1))
def test_the_bound_clears_the_line_at_that_many_rows(n, distance, se, reach):
    rows = required_rows(n, distance, se, 0.05, reach)
    if rows is None:
        return
    z = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(POWER)
    half = math.hypot(z * se * math.sqrt(n / rows), reach * n / rows)
    assert half <= distance * (1 + 1e-9)
    assert rows > n


@pytest.mark.parametrize("distance", [0.0, -0.1, 1e-9])
def test_no_number_of_rows(distance):
    assert required_rows(100, distance, 0.01, 0.05) is None
