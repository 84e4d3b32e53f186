from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from holdfast.errors import UserCodeError
from holdfast.training import estimator as estimators

ROWS = pd.DataFrame({"a": np.arange(10.0)})


class Answers:
    """Answers with what it was given."""

    def __init__(self, values: Any, probabilities: Any = None) -> None:
        self.values = values
        if probabilities is not None:
            self.predict_proba = lambda rows: probabilities

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.values


@pytest.mark.parametrize("what", [None, 3, Answers, {"predict": 1}])
def test_what_has_no_predict_is_no_estimator(what: object) -> None:
    with pytest.raises(UserCodeError) as caught:
        estimators.require_estimator("shop:train", what)

    assert caught.value.code == "user.not_estimator"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("answers", "task"),
    [
        (Answers([1.0]), "regression"),
        (Answers([float("nan")] * 10), "regression"),
        (Answers(["much"] * 10), "regression"),
        (Answers([1] * 10, [0.5] * 10), "binary"),
        (Answers([1] * 10, [[0.5, 0.5]]), "binary"),
    ],
)
def test_answers_of_the_wrong_shape_are_found(answers: Answers, task: Any) -> None:
    with pytest.raises(UserCodeError) as caught:
        estimators.try_predict("shop:train", answers, ROWS, task)

    assert caught.value.code == "user.cannot_predict"


def test_good_answers_pass() -> None:
    estimators.try_predict("t:t", Answers([1.5] * 10), ROWS, "regression")
    estimators.try_predict("t:t", Answers(["a"] * 10), ROWS, "multiclass")
    estimators.try_predict("t:t", Answers([1] * 10, [[0.5, 0.5]] * 10), ROWS, "binary")


def test_kinds_and_classes() -> None:
    model = DummyClassifier().fit(ROWS, [False, True] * 5)

    assert estimators.kind_of(make_pipeline(model)) == "sklearn"
    assert estimators.kind_of(Answers([])) == "other"
    assert estimators.classes_of(model) == (False, True)
    assert type(estimators.classes_of(model)[0]) is bool
    assert estimators.classes_of(LinearRegression()) == ()


def test_a_classifier_without_probabilities_is_warned_of() -> None:
    assert estimators.warnings_of("t:t", LinearSVC(), "binary")
    assert not estimators.warnings_of("t:t", LinearRegression(), "regression")
    assert not estimators.warnings_of("t:t", DummyClassifier(), "multiclass")


def test_what_cannot_be_pickled_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match="generator") as caught:
        estimators.pickle_by_value(Answers(value for value in [1]), tmp_path)

    assert caught.value.code == "user.cannot_pickle"


def test_packages_of_the_project_are_pickled_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "valued_package").mkdir()
    (tmp_path / "valued_package" / "__init__.py").touch()
    (tmp_path / "valued_package" / "model.py").write_text(
        "LIMIT = 3\nclass Model:\n    def predict(self, rows): return [LIMIT for _ in rows]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("valued_package.model")

    data = estimators.pickle_by_value(module.Model(), tmp_path)
    for name in ("valued_package.model", "valued_package"):
        del sys.modules[name]
    (tmp_path / "valued_package" / "model.py").unlink()

    assert pickle.loads(data).predict("abc") == [3, 3, 3]


def test_installed_packages_are_not_of_the_project() -> None:
    names = {module.__name__ for module in estimators.project_modules(Path(sys.prefix).parent)}

    assert "sklearn" not in names
    assert "json" not in names
