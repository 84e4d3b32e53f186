from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from holdfast.errors import DataError
from holdfast.statistics.losses import bounded_loss, class_index, positives

unit = st.floats(0, 1)


@given(hnp.arrays(np.float64, 12, elements=unit), hnp.arrays(np.bool_, 12))
def test_two_classes_lose_the_same_as_binary(score, truth):
    one = bounded_loss("binary", truth, score, positive=True)
    wide = np.column_stack([1 - score, score])
    two = bounded_loss("multiclass", truth, wide, classes=(False, True))
    assert np.allclose(one, two)
    assert one.min() >= 0
    assert one.max() <= 1


@given(
    hnp.arrays(np.float64, 9, elements=st.floats(-1e6, 1e6)),
    hnp.arrays(np.float64, 9, elements=st.floats(-1e6, 1e6)),
    st.floats(1e-3, 1e6),
)
def test_regression_is_bounded_and_grows_with_the_error(truth, score, scale):
    loss = bounded_loss("regression", truth, score, scale=scale)
    assert np.all((loss >= 0) & (loss <= 1))
    order = np.argsort(np.abs(truth - score), kind="stable")
    assert np.all(np.diff(loss[order]) >= -1e-12)


def test_multiclass_is_half_the_brier_score():
    score = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]])
    loss = bounded_loss("multiclass", np.array(["a", "a"]), score, classes=("a", "b", "c"))
    assert loss == pytest.approx([(0.25 + 0.09 + 0.04) / 2, 1.0])


@pytest.mark.parametrize(
    ("truth", "score", "code"),
    [
        ([1, None], [0.1, 0.2], "statistics.missing_label"),
        ([1.0, np.nan], [0.1, 0.2], "statistics.missing_label"),
        (["a", "b", "c"], [0.1, 0.2, 0.3], "statistics.unknown_class"),
        ([0, 1], [0.1, 1.2], "statistics.bad_score"),
        ([0, 1], [0.1, np.nan], "statistics.bad_score"),
        ([0, 1], ["x", "y"], "statistics.bad_score"),
        ([0, 1], [0.1], "statistics.shape"),
    ],
)
def test_binary_faults(truth, score, code):
    array = np.array(truth, dtype=object) if None in truth else np.array(truth)
    with pytest.raises(DataError) as error:
        bounded_loss("binary", array, np.array(score))
    assert error.value.code == code


def test_multiclass_faults():
    classes = ("a", "b")
    even = np.full((2, 2), 0.5)
    for truth, score, code in (
        (["a", "z"], even, "statistics.unknown_class"),
        (["a", "b"], even * 1.2, "statistics.bad_score"),
        (["a", "b"], even[:, :1], "statistics.shape"),
    ):
        with pytest.raises(DataError) as error:
            bounded_loss("multiclass", np.array(truth), score, classes=classes)
        assert error.value.code == code


def test_regression_faults():
    with pytest.raises(DataError, match="not above 0"):
        bounded_loss("regression", np.ones(2), np.ones(2), scale=0.0)
    with pytest.raises(DataError, match="shape"):
        bounded_loss("regression", np.ones(2), np.ones(3))
    with pytest.raises(DataError, match="1 of 2 labels"):
        bounded_loss("regression", np.array([1.0, np.inf]), np.ones(2))


def test_an_index_instead_of_a_label_as_positive_is_refused():
    with pytest.raises(DataError, match="positive class 1 is not among"):
        positives(np.array(["no", "yes"]), 1, ("no", "yes"))


def test_labels_outside_the_two_classes_are_refused():
    with pytest.raises(DataError, match="two values"):
        positives(np.array(["no", "maybe"]), "yes", ("no", "yes"))


def test_no_rows():
    assert positives(np.array([]), 1).shape == (0,)
    assert class_index(np.array([]), ("a",)).shape == (0,)
