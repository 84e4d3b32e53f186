import numpy as np
import polars as pl
import pytest

from holdfast.recording.values import text, truth


@pytest.mark.parametrize(
    ("task", "classes", "raw"),
    [
        ("binary", (False, True), [True, False]),
        ("binary", (0, 1), [1, 0, 1]),
        ("multiclass", ("a", "b", "c"), ["b", "c"]),
        ("regression", (), [1.5, -2e300, 0.1]),
    ],
)
def test_text_forms_turn_back(task, classes, raw):
    found = truth(pl.Series([text(value) for value in raw], dtype=pl.String), task, classes)
    assert found.tolist() == raw
    assert isinstance(found, np.ndarray)
    assert found.dtype == (object if isinstance(raw[0], str) else np.array(raw).dtype)


def test_no_labels_have_no_truth():
    assert truth(pl.Series([], dtype=pl.String), "binary", (False, True)).tolist() == []
    assert truth(pl.Series([], dtype=pl.String), "regression").dtype == np.float64
