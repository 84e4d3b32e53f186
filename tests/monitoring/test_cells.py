"""The comparison rule: every value has one cell, in every type it may come in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError
from holdfast.monitoring import cells
from holdfast.records import Bins

NUMERIC = Bins(column="x", kind="numeric", edges=(0.0, 1.0, 2.0), spikes=(1.0,))
TEXT = Bins(column="c", kind="categorical", categories=("b", "a"))
BOOLEAN = Bins(column="h", kind="categorical", categories=("false", "true"))


def test_numeric_cells_are_open_to_the_left() -> None:
    values = pl.Series([-np.inf, 0.0, 0.5, 1.0, 1.5, 2.0, np.inf, np.nan, None])
    assert cells.index(values, NUMERIC).cells.tolist() == [0, 0, 1, 4, 2, 2, 3, 5, 5]


@given(st.lists(st.one_of(st.none(), st.floats(-3, 5)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_numeric_rule_matches_its_definition(values: list[float | None]) -> None:
    def by_hand(x: float | None) -> int:
        if x is None:
            return NUMERIC.cells - 1
        if x in NUMERIC.spikes:
            return len(NUMERIC.edges) + 1 + NUMERIC.spikes.index(x)
        return sum(edge < x for edge in NUMERIC.edges)

    found = cells.index(pl.Series(values, dtype=pl.Float64), NUMERIC).cells.tolist()
    assert found == [by_hand(x) for x in values]


def test_order_of_cells_is_the_order_of_values() -> None:
    # (-inf, 0], (0, 1], the spike 1, (1, 2], (2, inf)
    assert cells.ordered(NUMERIC).tolist() == [0, 1, 4, 2, 3]


def test_categories_unseen_and_null() -> None:
    assert cells.index(pl.Series(["a", "b", "z", None]), TEXT).cells.tolist() == [1, 0, 2, 3]
    enum = pl.Series(["a", None], dtype=pl.Categorical)
    assert cells.index(enum, TEXT).cells.tolist() == [1, 3]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([True, False, None]),
        pl.Series([1.0, 0.0, np.nan]),
        pl.Series([1, 0, None]),
        pl.Series(["true", "false", None]),
    ],
)
def test_a_boolean_is_the_same_in_every_type(values: pl.Series) -> None:
    assert cells.index(values, BOOLEAN).cells.tolist() == [1, 0, 3]


def test_whole_numbers_read_alike_as_text() -> None:
    assert cells.as_text(pl.Series([1.0, None, 2.0])).to_list() == ["1", None, "2"]
    assert cells.as_text(pl.Series([1, 2])).to_list() == ["1", "2"]
    assert cells.as_text(pl.Series([1.5])).to_list() == ["1.5"]


def test_what_a_number_reads_as_does_not_depend_on_its_neighbours() -> None:
    mixed = pl.Series([1.0, 1.5, np.nan, np.inf, 1e30])
    assert cells.as_text(mixed).to_list() == ["1", "1.5", None, "inf", "1e+30"]


def test_text_in_a_numeric_column_counts_as_null() -> None:
    assert cells.index(pl.Series(["1.5", "fog"]), NUMERIC).cells.tolist() == [2, 5]


def test_times_are_seconds() -> None:
    times = pl.Series([0, 1_500_000]).cast(pl.Datetime("us"))
    assert cells.as_numbers(times).tolist() == [0.0, 1.5]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="'wind'"):
        cells.column_of(pl.DataFrame({"a": [1]}), "wind")
