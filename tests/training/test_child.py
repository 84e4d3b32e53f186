from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from holdfast.errors import UserCodeError
from holdfast.training import child
from holdfast.training.protocol import Request


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 2]}), pl.LazyFrame({"a": [1, 2]})],
)
def test_any_kind_of_frame_is_taken(frame: Any) -> None:
    assert child._as_polars("t:load", frame)["a"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "user.bad_frame"),
        (None, "user.not_frame"),
        ([1], "user.not_frame"),
        (pd.Series([1]), "user.not_frame"),
        (pl.LazyFrame({"a": [1]}).select("b"), "user.raised"),
    ],
)
def test_what_is_no_good_frame_is_told(value: Any, code: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        child._as_polars("t:load", value)

    assert caught.value.code == code


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_whole_labels_of_classes_are_whole(tmp_path: Path, task: Any) -> None:
    rows = pl.DataFrame({"a": range(20), "y": [0.0, 1.0] * 10, "secret": range(20)})
    rows.write_parquet(tmp_path / "rows.parquet")
    request = Request(
        action="train", target="t:t", root="", out="", parent=0, features=("a",), label="y",
        frame=str(tmp_path / "rows.parquet"), task=task,
    )  # fmt: skip

    frame, trial = child._training_frames(request)

    assert list(frame.columns) == ["a", "y"]
    assert list(trial.columns) == ["a"]
    assert len(trial) == 10
    assert frame["y"].dtype.kind == ("f" if task == "regression" else "i")
