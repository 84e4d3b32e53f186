"""The training frame comes back from columns, dtype for dtype."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest

from holdfast.bundle.columns import Columns, from_polars
from holdfast.bundle.frame import FrameRecipe, recipe_of
from holdfast.errors import BundleError
from holdfast.records import Field, Signature

FRAME = pl.DataFrame(
    {
        "double": [1.5, None, 3.0],
        "single": [0.5, 1.5, 2.5],
        "long": [1, 2, 3],
        "gaps": [1, None, 3],
        "small": [1, 2, 3],
        "flag": [True, False, True],
        "flags": [True, None, False],
        "text": ["a", None, "ü"],
        "kind": ["x", "y", None],
        "enum": ["lo", "hi", "lo"],
        "day": [date(2024, 1, 1), None, date(2024, 1, 3)],
        "moment": [datetime(2024, 1, 1, 5, tzinfo=UTC), None, datetime(2024, 1, 3, tzinfo=UTC)],
    },
    schema_overrides={
        "single": pl.Float32, "small": pl.Int8, "kind": pl.Categorical,
        "enum": pl.Enum(["lo", "hi"]), "moment": pl.Datetime("ms", "Europe/Oslo"),
    },
)  # fmt: skip
TYPES: dict[str, Any] = {
    "double": "double", "single": "double", "long": "long", "gaps": "long", "small": "long",
    "flag": "boolean", "flags": "boolean", "text": "string", "kind": "string", "enum": "string",
    "day": "datetime", "moment": "datetime",
}  # fmt: skip
SIGNATURE = Signature(inputs=tuple(Field(name=n, type=t) for n, t in TYPES.items()), outputs=())


def columns() -> Columns:
    return from_polars(FRAME, SIGNATURE)


def test_pandas_comes_back() -> None:
    recipe = FrameRecipe.from_json(recipe_of(FRAME, "pandas").to_json())
    pd.testing.assert_frame_equal(recipe.build(columns()), FRAME.to_pandas(), check_freq=False)


def test_polars_comes_back() -> None:
    recipe = FrameRecipe.from_json(recipe_of(FRAME, "polars").to_json())
    polars.testing.assert_frame_equal(
        recipe.build(columns()), FRAME, categorical_as_str=True, check_dtypes=True
    )


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_an_unseen_category_is_a_null(kind: Any) -> None:
    frame = FRAME.select("enum")
    built = recipe_of(frame, kind).build({"enum": np.array(["mid"], dtype=object)})
    assert built["enum"].is_null().all() if kind == "polars" else built["enum"].isna().all()


def test_a_null_that_training_never_saw_is_refused() -> None:
    recipe = recipe_of(FRAME.select("small"), "pandas")
    with pytest.raises(BundleError, match="'small'"):
        recipe.build({"small": np.array([np.nan])})


def test_a_matrix_is_in_order() -> None:
    recipe = recipe_of(FRAME.select("long", "flag"), "matrix")
    built = recipe.build({"flag": np.array([True]), "long": np.array([7])})
    assert built.tolist() == [[7.0, 1.0]]


def test_a_torn_recipe_is_named() -> None:
    with pytest.raises(BundleError, match=r"frame\.json"):
        FrameRecipe.from_json(b"{")


def test_a_model_may_change_its_frame() -> None:
    """In place, as pandas code does: what was sent, and is recorded, stays as it was."""
    values = np.array([1.0, np.nan, 3.0])
    frame = recipe_of(pl.DataFrame({"a": values}), "pandas").build({"a": values})
    frame.loc[frame["a"].isna(), "a"] = -1.0
    assert frame["a"].tolist() == [1.0, -1.0, 3.0]
    assert np.isnan(values[1])
