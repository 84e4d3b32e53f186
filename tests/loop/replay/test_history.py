"""The history reader: any order and form of the rows gives the same, and errors name the cause."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError, HoldfastError, UsageError
from holdfast.loop.replay import default_model
from holdfast.loop.replay.history import (
    KNOWN,
    ROW,
    Columns,
    positive_of,
    read_table,
    task_of,
)

World = Callable[..., pl.DataFrame]
COLUMNS = Columns(time="t", label="y")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), parquet=st.booleans(), parts=st.integers(1, 3))
def test_any_order_form_and_number_of_files_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, world: World, seed: int, parquet: bool, parts: int
) -> None:
    rows, folder = world(5, 60, seed=1), tmp_path_factory.mktemp("history")
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    for place in range(parts):
        part = shuffled[place::parts]
        if parquet:
            part.write_parquet(folder / f"{place}.parquet")
        else:
            part.write_csv(folder / f"{place}.csv")
    read = read_table(f"*.{'parquet' if parquet else 'csv'}", folder, COLUMNS)
    assert read.data.features == ("x", "z", "kind", "p")
    assert read.rows["t"].is_sorted()
    assert read.rows[ROW].to_list() == [str(place) for place in range(300)]
    assert read.rows["x"].to_list() == pytest.approx(rows.sort("t")["x"].to_list())
    assert (read.rows[KNOWN] == read.rows["t"]).all()


@settings(max_examples=10, deadline=None)
@given(days=st.integers(0, 30))
def test_labels_are_known_after_the_delay(world: World, days: int) -> None:
    delayed = Columns(time="t", label="y", label_delay=timedelta(days=days))
    with tempfile.TemporaryDirectory() as name:
        world(4, 60).write_parquet(Path(name) / "h.parquet")
        read = read_table("h.parquet", Path(name), delayed)
    assert (read.rows[KNOWN] - read.rows["t"]).unique().to_list() == [timedelta(days=days)]


def test_what_no_model_can_use_is_left_out_and_said(tmp_path: Path, world: World) -> None:
    rows = world(4, 60).with_columns(
        pl.lit(1).alias("one"),
        pl.int_range(pl.len()).cast(pl.String).alias("name"),
        (pl.col("t") + timedelta(days=1)).alias("later"),
    )
    rows.write_parquet(tmp_path / "h.parquet")
    read = read_table("h.parquet", tmp_path, COLUMNS)
    assert {name for name, _ in read.left_out} == {"one", "name", "later"}
    assert read.data.features == ("x", "z", "kind", "p")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([True, False], "binary"),
        (["no", "yes", "no"], "binary"),
        ([0, 1], "binary"),
        (["a", "b", "c"], "multiclass"),
        ([1, 2, 3], "multiclass"),
        (list(range(50)), "regression"),
        ([0.5, 1.5, 2.5], "regression"),
    ],
)
def test_the_task_follows_from_the_labels(values: list[object], task: str) -> None:
    assert task_of(pl.Series("y", values)) == task


def test_the_larger_value_is_positive() -> None:
    assert positive_of(pl.Series([False, True])) is True
    assert positive_of(pl.Series(["no", "yes", None])) == "yes"


def test_labels_that_are_none() -> None:
    with pytest.raises(DataError, match="one value"):
        task_of(pl.Series("y", [1, 1, None]))
    with pytest.raises(DataError, match="different values"):
        task_of(pl.Series("y", [str(place) for place in range(100)]))


def _early(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns((pl.col("t") - timedelta(hours=1)).alias("known"))


@pytest.mark.parametrize(
    ("columns", "change", "code"),
    [
        (Columns(), lambda rows: rows, "replay.columns"),
        (Columns(time="when", label="y"), lambda rows: rows, "data.missing_column"),
        (COLUMNS, lambda rows: rows.head(150), "replay.too_short"),
        (COLUMNS, lambda rows: rows.with_columns(t=pl.lit("soon")), "data.bad_time"),
        (COLUMNS, lambda rows: rows.with_columns(y=pl.lit(None)), "data.no_labels"),
        (COLUMNS, lambda rows: rows.select("t", "y"), "replay.no_features"),
        (Columns(time="t", label="y", label_time="known"), _early, "replay.early_labels"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, world: World, columns: Columns, change: Callable[[pl.DataFrame], pl.DataFrame],
    code: str,
) -> None:  # fmt: skip
    change(world(4, 60)).write_parquet(tmp_path / "h.parquet")
    with pytest.raises(HoldfastError) as caught:
        read_table("h.parquet", tmp_path, columns)
    assert caught.value.code == code


def test_it_begins_after_the_first_quarter(tmp_path: Path, world: World) -> None:
    world(20, 60).write_parquet(tmp_path / "h.parquet")
    read = read_table("h.parquet", tmp_path, COLUMNS)
    assert read.begin(None) == datetime(2025, 1, 5, tzinfo=UTC)
    assert read.begin(datetime(2025, 1, 9, tzinfo=UTC)).day == 9
    for start in (datetime(2025, 1, 2, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)):
        with pytest.raises(UsageError, match="rows have a label"):
            read.begin(start)


def test_lists_of_one_width_are_vectors_and_others_are_left_out(
    tmp_path: Path, world: World
) -> None:
    rows = world(4, 60).with_columns(
        image=pl.concat_list("x", "z"),
        ragged=pl.when(pl.col("x") > 0).then(pl.concat_list("x", "z")).otherwise(
            pl.concat_list("x")
        ),
        words=pl.concat_list(pl.col("x").cast(pl.String)),
    )  # fmt: skip
    rows.write_parquet(tmp_path / "h.parquet")
    read = read_table("h.parquet", tmp_path, COLUMNS)
    assert {name for name, _ in read.left_out} == {"ragged", "words"}
    assert read.rows.schema["image"] == pl.Array(pl.Float64, 2)


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_the_default_model_takes_vectors_with_gaps(task: str) -> None:
    rng = np.random.default_rng(0)
    image = list(rng.normal(size=(300, 3)))
    frame = pd.DataFrame({"x": rng.normal(size=300), "kind": "a", "image": image})
    frame["y"] = (np.stack(image)[:, 1] > 0).astype(int)
    frame.at[5, "image"] = None
    model = getattr(default_model, task)(frame)
    found = model.predict(frame.drop(columns="y"))
    assert np.mean((found > 0.5) == frame["y"]) > 0.9
