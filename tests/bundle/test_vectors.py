"""Vectors between plain values, frames and blocks: what fits, what is null, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.bundle import vectors
from holdfast.bundle.columns import (
    Table,
    column,
    concatenate,
    from_pandas,
    from_polars,
    from_rows,
    kind,
    take,
    to_pandas,
    to_values,
)
from holdfast.bundle.frame import ColumnDtype, FrameRecipe, recipe_of
from holdfast.bundle.redaction import PREFIX, Redaction
from holdfast.errors import DataError
from holdfast.records import Field, RecordPolicy, Signature

FIELD = Field(name="e", type="vector", width=2)
SIGNATURE = Signature(inputs=(FIELD,), outputs=(Field(name="prediction", type="double"),))
NUMBER = st.floats(-1e300, 1e300)
ROWS = st.lists(st.none() | st.lists(NUMBER, min_size=2, max_size=2), min_size=1, max_size=6)


@settings(deadline=None)
@given(rows=ROWS)
def test_every_way_in_gives_the_same_block(rows: list[Any]) -> None:
    plain = column(rows, FIELD)
    assert plain.shape == (len(rows), 2)
    assert to_values({"e": plain}) == {"e": rows}
    lists = pl.Series("e", rows, dtype=pl.List(pl.Float64))
    arrays = [None if row is None else np.array(row) for row in rows]
    for frame in (lists, lists.list.to_array(2)):
        found = from_polars(frame.to_frame(), SIGNATURE)["e"]
        assert np.array_equal(found, plain, equal_nan=True)
    frame = pd.DataFrame({"e": pd.Series(arrays, dtype=object)})
    assert np.array_equal(from_pandas(frame, SIGNATURE)["e"], plain, equal_nan=True)
    again = from_pandas(to_pandas({"e": plain}), SIGNATURE)["e"]
    assert np.array_equal(again, plain, equal_nan=True)


@pytest.mark.parametrize(
    "cell", [[1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]], ["a", "b"], "ab", [True, False], 1.5,
             [1.0, np.nan], [1.0, None], [np.inf, 0.0]],
)  # fmt: skip
def test_what_is_no_vector_is_refused(cell: Any) -> None:
    with pytest.raises(DataError, match="'e' holds a value that is not a vector of 2 numbers"):
        from_rows([{"e": [1.0, 2.0]}, {"e": cell}], SIGNATURE)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("e", [[1.0]]), pl.Series("e", [[1.0, None]]), pl.Series("e", [["a", "b"]]),
        pl.Series("e", [1.0]), pl.Series("e", [[1.0, float("inf")]]),
    ],
)  # fmt: skip
def test_frames_without_vectors_are_refused(series: pl.Series) -> None:
    with pytest.raises(DataError, match="not vector of 2 numbers"):
        from_polars(series.to_frame(), SIGNATURE)
    with pytest.raises(DataError, match="not vector of 2 numbers"):
        from_pandas(pd.DataFrame({"e": series.to_list()}), SIGNATURE)


def test_a_column_of_nulls_has_the_width() -> None:
    for dtype in (pl.Null, pl.Float64, pl.List(pl.Float64)):
        frame = pl.DataFrame({"e": [None, None]}, schema={"e": dtype})
        assert np.isnan(from_polars(frame, SIGNATURE)["e"]).tolist() == [[True] * 2] * 2


def test_rows_are_picked_and_put_together() -> None:
    block = vectors.block([[1, 2], None, [3, 4]], 2)
    table = Table(("a",), np.zeros((3, 1)), {"e": block})
    assert vectors.plain(take(table, slice(1, 3))["e"]) == [None, [3.0, 4.0]]
    both = concatenate([table, table])
    assert both["e"].shape == (6, 2)
    assert kind(table) == kind(both)


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_models_get_arrays(frame: Any) -> None:
    train = pl.DataFrame({"e": [[0.5, 1.0], None]}, schema={"e": pl.Array(pl.Float64, 2)})
    recipe = FrameRecipe.from_json(recipe_of(train, frame).to_json())
    built = recipe.build({"e": vectors.block([[1, 2], None], 2)})
    if frame == "polars":
        assert built.schema == train.schema
        assert built["e"].to_list() == [[1.0, 2.0], None]
        return
    assert built["e"][0].tolist() == [1.0, 2.0]
    assert built["e"][1] is None
    assert recipe.columns == (ColumnDtype(name="e", dtype="object"),)


def test_a_hash_is_of_the_numbers() -> None:
    hashing = Redaction(RecordPolicy(redact={"e": "hash"}), bytes(32))
    one, two, null, other = hashing.column("e", [[0.0, 2.0], [-0.0, 2.0], None, [1.0, 2.0]]) or ()
    assert one == two != other
    assert one.startswith(PREFIX)
    assert null is None
