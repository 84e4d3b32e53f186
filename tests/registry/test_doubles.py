"""Steps before the last one in doubles: rows that lie on a split stay on their side of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from holdfast.bundle.columns import from_polars
from holdfast.bundle.predictor import open_bundle
from holdfast.registry.doubles import narrowed

NUMBERS = ["amount", "count"]


def kinds_of(folder: Any) -> set[str]:
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    return {entry.type for entry in session.get_inputs()}


@pytest.fixture
def rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Values of two digits: many rows lie on the splits of a tree."""
    return frame.with_columns(pl.col("amount").round(2), pl.col("age").round(0))


def pipeline(imputer: SimpleImputer) -> Pipeline:
    columns = ColumnTransformer(
        [
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
            ("numbers", make_pipeline(imputer, StandardScaler()), ["amount", "age", "count"]),
        ]
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=30, max_bins=30))


@pytest.mark.parametrize("imputer", [SimpleImputer(strategy="median"), SimpleImputer()])
def test_a_scaler_before_trees_is_compiled(
    imputer: SimpleImputer, make: Any, toy: Any, rounded: pl.DataFrame
) -> None:
    features = ["city", "amount", "age", "count"]
    estimator = pipeline(imputer)
    train = rounded.head(450).select(features).to_pandas()
    estimator.fit(train, rounded.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(features=features), rounded)
    assert manifest.predictor == "onnx", manifest.note
    assert "tensor(double)" in kinds_of(folder)
    outputs = open_bundle(folder).predict(from_polars(rounded, manifest.signature), len(rounded))
    expected = estimator.predict_proba(rounded.select(features).to_pandas())[:, 1]
    assert (np.abs(outputs.score - expected) > 1e-4).mean() <= 0.001


def test_what_float32_does_right_keeps_it(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    estimator = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    train = frame.head(450).select(NUMBERS).to_pandas()
    estimator.fit(train, frame.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(features=NUMBERS), frame)
    assert manifest.predictor == "onnx", manifest.note
    assert "tensor(double)" not in kinds_of(folder)


def test_only_the_last_step_is_handed_float32() -> None:
    tree = DecisionTreeClassifier()
    inner = Pipeline([("move", FunctionTransformer()), ("tree", tree)])
    form = narrowed(Pipeline([("first", FunctionTransformer()), ("inner", inner)]))
    assert form is not None
    assert [name for name, _ in form.steps] == ["first", "inner"]
    assert [name for name, _ in form.steps[1][1].steps] == ["move", "narrow", "tree"]
    assert [name for name, _ in inner.steps] == ["move", "tree"]
    assert narrowed(tree) is None
