from __future__ import annotations

import pytest

from holdfast.gate.sentences import about, bounds, change, decimals, number


@pytest.mark.parametrize(
    ("unit", "digits"), [(0.01, 3), (0.05, 3), (0.001, 4), (1.0, 1), (250.0, 0), (1e-12, 6)]
)
def test_decimals_show_two_digits_that_matter(unit, digits):
    assert decimals(unit) == digits


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0, "0.000"), (-1e-9, "0.000"), (1234.5, "1,234.500"), (-2, "-2.000")]
)
def test_number(value, text):
    assert number(value) == text


def test_change_and_bounds_never_show_a_sign():
    assert change(-0.021) == "0.021 lower"
    assert bounds(-0.025, -0.017) == "0.017 to 0.025 lower"
    assert bounds(0.0, 0.017) == "0.000 to 0.017 higher"
    assert bounds(-0.017, 0.0) == "0.000 to 0.017 lower"


@pytest.mark.parametrize(("rows", "said"), [(7, "7"), (99, "99"), (101, "110"), (16_120, "17,000")])
def test_about_rounds_up(rows, said):
    assert about(rows) == f"about {said} rows would decide"
