"""Estimators of every make behind one interface, and what loading says when it cannot."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from holdfast.bundle.frame import ColumnDtype, FrameRecipe
from holdfast.bundle.native import NativeModel, _limit_threads, load_estimator
from holdfast.bundle.predictor import open_bundle
from holdfast.errors import BundleError
from holdfast.records import Signature

MATRIX = FrameRecipe(kind="matrix", columns=(ColumnDtype(name="a", dtype="float64"),))


class Answers:
    """Gives what it was told."""

    def __init__(self, **answers: Any) -> None:
        for name, answer in answers.items():
            setattr(self, name, lambda rows, answer=answer: answer)


def test_labels_alone_become_certainties(signature: Signature) -> None:
    model = NativeModel(Answers(predict=["yes", "no"]), MATRIX, "binary", signature)
    assert model.predict({"a": np.zeros(2)}).score.tolist() == [1.0, 0.0]


def test_one_column_of_probabilities_is_the_positive_class(signature: Signature) -> None:
    model = NativeModel(Answers(predict_proba=[0.25]), MATRIX, "binary", signature)
    assert model.predict({"a": np.zeros(1)}).score.tolist() == [0.25]


def test_another_number_of_classes_is_named(signature: Signature) -> None:
    model = NativeModel(Answers(predict_proba=np.ones((1, 3))), MATRIX, "binary", signature)
    with pytest.raises(BundleError, match="one column a class"):
        model.predict({"a": np.zeros(1)})


def test_a_regression_answers_with_values(signature: Signature) -> None:
    model = NativeModel(Answers(predict=[[3.0], [4.0]]), MATRIX, "regression", signature)
    outputs = model.predict({"a": np.zeros(2)})
    assert outputs.probability is None
    assert outputs.score.tolist() == [3.0, 4.0]


def test_a_failure_names_only_its_kind(signature: Signature) -> None:
    model = NativeModel(object(), MATRIX, "regression", signature)
    with pytest.raises(BundleError, match="AttributeError") as caught:
        model.predict({"a": np.array([123.0])})
    assert "123" not in str(caught.value)


def test_a_missing_library_is_named_with_its_extra(
    seal: Any, monkeypatch: pytest.MonkeyPatch, key: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(BundleError, match=r"holdfast\[xgboost\]"):
        load_estimator(b"", "xgboost")
    with pytest.raises(BundleError, match=r"holdfast\[lightgbm\]"):
        load_estimator(b"", "lightgbm")
    folder = seal(estimator=b"cno_such_module\nthing\n.")
    with pytest.raises(BundleError, match="no_such_module") as caught:
        open_bundle(folder, key=key)
    assert caught.value.code == "bundle.missing_library"


def test_a_torn_pickle_is_named() -> None:
    with pytest.raises(BundleError, match="cannot be loaded"):
        load_estimator(pickle.dumps([1])[:-2], "pickle")


def test_a_forest_gets_the_threads_it_may_use() -> None:
    forest = RandomForestClassifier(n_jobs=-1)
    _limit_threads(forest, 1)
    assert forest.n_jobs == 1
    _limit_threads(object(), 1)
