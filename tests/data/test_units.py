"""Days are held against the day before them, and only against that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from holdfast.data.profile import Day
from holdfast.data.units import unit_change
from holdfast.records import ColumnContract

END = datetime(2013, 4, 1, tzinfo=UTC)
REFERENCE = ColumnContract(
    name="temperature", type="double", null_share=0.0, constant=False,
    quantiles=(10.0, 35.0, 45.0, 55.0, 80.0), jump=12.0, jump_ratio=0.35, last=48.5,
)  # fmt: skip
COLD, SPREAD = 17.0, 6.0


def days(first: datetime) -> list[Day]:
    """A cold spell of three days, then spring: 17 is 48.5 in metres, had it been feet."""
    medians = [COLD, 15.0, 16.5, 22.0, 29.0, 36.0, 43.0, 49.0, 50.0]
    return [
        Day(first + timedelta(days=number), 100, 0.0, median, SPREAD)
        for number, median in enumerate(medians)
    ]


@pytest.mark.parametrize("weeks", [1, 10])
def test_data_that_begin_before_the_reference_ends_are_not_held_against_its_last_day(
    weeks: int,
) -> None:
    values = pl.Series([10.0, 35.0, 45.0, 55.0, 80.0] * 20)
    assert unit_change(REFERENCE, values, days(END - timedelta(weeks=weeks)), END) is None


def test_the_day_after_the_reference_is() -> None:
    values = pl.Series([COLD] * 100)
    found = unit_change(REFERENCE, values, days(END + timedelta(days=1))[:3], END)
    assert found is not None
    assert "feet to metres" in found
