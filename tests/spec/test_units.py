"""Durations and sizes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.spec import format_duration, parse_duration, parse_size


@given(st.integers(0, 10**12))
def test_a_duration_is_read_back(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert abs(parse_duration(format_duration(value)) - value) < timedelta(milliseconds=1)


@pytest.mark.parametrize("text", ["", "5", "h", "1h and 2m", "-1h", "1y", "1h;"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit"):
        parse_duration(text)


@given(st.integers(0, 10**6), st.sampled_from(["B", "KiB", "MiB", "MB"]))
def test_sizes_grow_with_their_unit(number: int, unit: str) -> None:
    size = {"B": 1, "KiB": 1024, "MiB": 1024**2, "MB": 10**6}[unit]
    assert parse_size(f"{number} {unit}") == number * size


@pytest.mark.parametrize("text", ["", "7", "MiB", "1mib", "1 GiB extra"])
def test_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)
