"""Which estimators are compiled: one small fit of each kind, alone and behind usual steps.

One of each family of converters runs always; the rest of the matrix is marked heavy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import (
    discriminant_analysis,
    ensemble,
    linear_model,
    naive_bayes,
    preprocessing,
    tree,
)
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier, XGBRegressor

from holdfast.bundle.columns import from_polars
from holdfast.bundle.predictor import open_bundle

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic": linear_model.LogisticRegression,
    "stochastic gradient": lambda: linear_model.SGDClassifier(loss="log_loss", random_state=0),
    "tree": lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": lambda: ensemble.RandomForestClassifier(5, max_depth=5, random_state=0),
    "extra trees": lambda: ensemble.ExtraTreesClassifier(5, max_depth=5, random_state=0),
    "gradient boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=5),
    "histogram boosting": lambda: ensemble.HistGradientBoostingClassifier(max_iter=5),
    "bagging": lambda: ensemble.BaggingClassifier(n_estimators=3, random_state=0),
    "voting": lambda: ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())], voting="soft"
    ),
    "stacking": lambda: ensemble.StackingClassifier(
        [("a", tree.DecisionTreeClassifier(max_depth=2)), ("b", naive_bayes.GaussianNB())], cv=2
    ),
    "naive Bayes": naive_bayes.GaussianNB,
    "xgboost": lambda: XGBClassifier(n_estimators=5, max_depth=3),
    "lightgbm": lambda: LGBMClassifier(n_estimators=5, verbose=-1),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "least squares": linear_model.LinearRegression,
    "ridge": linear_model.Ridge,
    "tree": lambda: tree.DecisionTreeRegressor(max_depth=4, random_state=0),
    "forest": lambda: ensemble.RandomForestRegressor(5, max_depth=5, random_state=0),
    "histogram boosting": lambda: ensemble.HistGradientBoostingRegressor(max_iter=5),
    "xgboost": lambda: XGBRegressor(n_estimators=5, max_depth=3),
    "lightgbm": lambda: LGBMRegressor(n_estimators=5, verbose=-1),
}
STEPS: dict[str, Callable[[], Any]] = {
    "min and max": preprocessing.MinMaxScaler,
    "bins": lambda: preprocessing.KBinsDiscretizer(4, encode="onehot-dense"),
    "components": lambda: PCA(2),
    "selection": lambda: SelectKBest(k=2),
}
# What no converter does right today; a registration must bear it.
NATIVE: dict[str, tuple[Callable[[], Any], str]] = {
    "adaptive boosting": (
        lambda: ensemble.AdaBoostClassifier(n_estimators=3, random_state=0),
        "cannot be compiled: AttributeError",
    ),
    "discriminant": (
        discriminant_analysis.LinearDiscriminantAnalysis,
        "ONNX disagrees with the original on 1",
    ),
}


# One for each converter that is mended or registered here.
ALWAYS = {"logistic", "forest", "gradient boosting", "histogram boosting", "xgboost", "bins"}


def kinds(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.heavy) for name in names]


def full(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("amount").fill_null(0.0))


def check(
    estimator: Any, make: Any, toy: Any, task: str, label: str, features: list[str],
    native: str = "",
) -> None:  # fmt: skip
    frame = full(toy.rows())
    train = frame.head(450).select(features).to_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(train, frame.head(450)[label].to_numpy())
        folder, manifest = make(estimator, toy.spec_of(task, features=features, label=label), frame)
    if native:
        assert manifest.predictor == "native"
        assert manifest.note.startswith(native)
        return
    assert manifest.predictor == "onnx", manifest.note
    held = frame.tail(150)
    outputs = open_bundle(folder).predict(from_polars(held, manifest.signature), 150)
    truth = held.select(features).to_pandas()
    if task == "regression":
        expected = estimator.predict(truth)
        np.testing.assert_allclose(outputs.prediction, expected, atol=1e-3, rtol=1e-4)
        return
    expected = estimator.predict_proba(truth)
    expected = expected[:, 1] if task == "binary" else expected
    assert (np.abs(outputs.score - expected) > 1e-4).mean() <= 0.001


@pytest.mark.parametrize("name", kinds(CLASSIFIERS))
def test_classifiers_are_compiled(name: str, make: Any, toy: Any) -> None:
    check(CLASSIFIERS[name](), make, toy, "binary", "late", toy.NUMBERS)


@pytest.mark.parametrize("name", ["forest", "histogram boosting"])
def test_many_classes_are_compiled(name: str, make: Any, toy: Any) -> None:
    check(CLASSIFIERS[name](), make, toy, "multiclass", "grade", toy.NUMBERS)


@pytest.mark.parametrize("name", kinds(REGRESSORS))
def test_regressors_are_compiled(name: str, make: Any, toy: Any) -> None:
    check(REGRESSORS[name](), make, toy, "regression", "value", toy.NUMBERS[:2])


@pytest.mark.parametrize("name", kinds(STEPS))
def test_steps_are_compiled(name: str, make: Any, toy: Any) -> None:
    estimator = make_pipeline(STEPS[name](), linear_model.LogisticRegression())
    check(estimator, make, toy, "binary", "late", toy.NUMBERS)


@pytest.mark.parametrize("name", ["forest", "histogram boosting"])
def test_mixed_types_are_compiled(name: str, make: Any, toy: Any) -> None:
    columns = ColumnTransformer(
        [
            ("texts", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city"]),
            (
                "numbers",
                make_pipeline(SimpleImputer(), preprocessing.StandardScaler()),
                ["amount", "age", "count"],
            ),
            ("flags", "passthrough", ["member"]),
        ],
        sparse_threshold=0.0,
    )
    estimator = make_pipeline(columns, CLASSIFIERS[name]())
    check(estimator, make, toy, "binary", "late", toy.FEATURES)


@pytest.mark.parametrize("name", NATIVE)
def test_what_is_not_answered_alike_is_served_natively(name: str, make: Any, toy: Any) -> None:
    estimator, says = NATIVE[name]
    check(estimator(), make, toy, "binary", "late", ["count", "age"], native=says)


def test_nulls_go_where_the_trees_send_them(make: Any, toy: Any) -> None:
    """Also in columns that had none when the trees grew."""
    estimator = ensemble.RandomForestClassifier(5, max_depth=5, random_state=0)
    frame = full(toy.rows())
    train = frame.head(450).select(toy.NUMBERS).to_pandas()
    estimator.fit(train, frame.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(features=toy.NUMBERS), frame)
    assert manifest.predictor == "onnx", manifest.note
    gaps = frame.tail(150).with_columns(age=pl.lit(None, pl.Float64))
    outputs = open_bundle(folder).predict(from_polars(gaps, manifest.signature), 150)
    expected = estimator.predict_proba(gaps.select(toy.NUMBERS).to_pandas())[:, 1]
    np.testing.assert_allclose(outputs.score, expected, atol=1e-4)
