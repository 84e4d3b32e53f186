from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.data.splits import by_time
from holdfast.errors import DataError
from holdfast.spec import Data

SpecOf = Callable[..., Data]


def test_the_newest_share_is_held_out(rows: pl.DataFrame, spec_of: SpecOf) -> None:
    split = by_time(rows.sample(fraction=1, shuffle=True, seed=3), spec_of(test=0.25))

    assert split.test.height == rows.height // 4
    assert split.train.height + split.test.height == rows.height
    assert split.train["at"].max() < split.boundary == split.test["at"].min()


def test_labels_not_known_at_the_boundary_are_left_out(rows: pl.DataFrame, spec_of: SpecOf) -> None:
    delay = timedelta(days=2)

    split = by_time(rows, spec_of(label_delay=delay))

    assert split.train["at"].max() <= split.boundary - delay
    assert split.train.height + split.test.height == rows.height - 2 * 60 + 1


def test_rows_without_label_are_in_neither(rows: pl.DataFrame, spec_of: SpecOf) -> None:
    half = rows.with_columns(late=pl.when(pl.int_range(pl.len()) % 2 == 0).then("late"))

    split = by_time(half, spec_of())

    assert split.train.height + split.test.height == rows.height // 2
    assert split.train["late"].null_count() == split.test["late"].null_count() == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"late": pl.lit(None, dtype=pl.Boolean)}, "no row has a label"),
        ({"at": pl.col("at").min()}, "no label was known"),
    ],
)
def test_too_few_rows(
    rows: pl.DataFrame, spec_of: SpecOf, change: dict[str, pl.Expr], says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        by_time(rows.with_columns(**change), spec_of())

    assert caught.value.code == "data.too_few"


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=40), st.floats(0.01, 0.99))
def test_no_moment_is_parted(moments: list[int], share: float) -> None:
    data = Data(source="s", time="at", label="y", features=("x",), test=share)
    frame = pl.DataFrame({"at": moments, "y": 1, "x": 0.0}).with_columns(
        pl.from_epoch("at").cast(pl.Datetime("us", "UTC"))
    )
    try:
        split = by_time(frame, data)
    except DataError:
        return

    assert split.train.height + split.test.height == frame.height
    assert split.train["at"].max() < split.test["at"].min()
    assert split.test.height >= 1
