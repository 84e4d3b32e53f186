"""Compiling: what is taken, what is refused with a reason, and the parity that decides."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from holdfast.bundle.columns import from_polars
from holdfast.bundle.predictor import Outputs, open_bundle
from holdfast.errors import BundleError
from holdfast.registry.compile import parity, to_onnx
from holdfast.registry.converters import mended, prepared


def outputs(probability: Any) -> Outputs:
    values = np.array(probability, dtype=float)
    return Outputs(values >= 0.5, values)


def test_equal_answers_agree() -> None:
    alike, note = parity(outputs([0.1, 0.9]), outputs([0.1, 0.9]))
    assert alike
    assert note == "ONNX agrees with the original on 2 held-out rows, largest difference 0"


def test_a_row_on_the_boundary_may_change_class_and_is_counted() -> None:
    alike, note = parity(outputs([0.5, 0.9]), outputs([0.49999999, 0.9]))
    assert alike
    assert note.endswith("1 rows on the decision boundary change class")


def test_a_few_rows_on_a_split_are_borne_and_counted() -> None:
    many = np.full(2000, 0.2)
    other = many.copy()
    other[:2] = 0.25
    alike, note = parity(outputs(many), outputs(other))
    assert alike
    assert "2 rows beyond 0.0001 lie on a split" in note
    other[:3] = 0.25
    assert parity(outputs(many), outputs(other)) == (
        False,
        "ONNX disagrees with the original on 3 of 2000 held-out rows, largest difference 0.05",
    )


def test_a_row_on_a_split_must_not_change_class() -> None:
    many = np.full(2000, 0.2)
    other = many.copy()
    other[0] = 0.6
    assert not parity(outputs(many), outputs(other))[0]


def test_nan_is_no_agreement() -> None:
    assert not parity(outputs([0.2]), outputs([np.nan]))[0]


def test_values_are_held_against_their_spread() -> None:
    values = np.array([1e6, 1e6 + 1])
    assert not parity(Outputs(values, None), Outputs(values + 0.01, None))[0]
    assert parity(Outputs(values, None), Outputs(values + 1e-5, None))[0]
    constant = np.full(3, 5.0)
    assert parity(Outputs(constant, None), Outputs(constant + 1e-7, None))[0]


def test_multiclass_takes_the_largest_difference_of_a_row() -> None:
    one = Outputs(np.array(["a"]), np.array([[0.7, 0.2, 0.1]]))
    other = Outputs(np.array(["a"]), np.array([[0.7, 0.1, 0.2]]))
    assert not parity(one, other)[0]


ENCODERS = {
    "missing is -1": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    ),
    "unknown is NaN": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    "first dropped": OneHotEncoder(drop="first", handle_unknown="ignore"),
    "most frequent": make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    ),
    "constant": make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore"),
    ),
}


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_null_strings_are_answered_alike(
    name: str, make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    transformer = ColumnTransformer(
        [("text", ENCODERS[name], ["city"]), ("rest", SimpleImputer(), ["amount", "count"])]
    )
    estimator = make_pipeline(transformer, HistGradientBoostingClassifier(max_iter=5))
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator.fit(train, frame.head(450)["late"].to_numpy())
    _, manifest = make(estimator, toy.spec_of(), frame)
    assert manifest.predictor == "onnx", manifest.note


@pytest.mark.parametrize("encoder", [OrdinalEncoder(), OneHotEncoder()])
def test_a_category_the_original_fails_on_is_not_answered_by_the_compiled_one(
    encoder: Any, make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    transformer = ColumnTransformer([("text", encoder, ["city"])], remainder="passthrough")
    estimator = make_pipeline(transformer, HistGradientBoostingClassifier(max_iter=5))
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator.fit(train, frame.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(), frame)
    assert manifest.predictor == "onnx", manifest.note
    predictor = open_bundle(folder)
    known = from_polars(
        frame.head(2).with_columns(city=pl.Series(["Oslo", None])), manifest.signature
    )
    np.testing.assert_allclose(
        predictor.predict(known, 2).score,
        estimator.predict_proba(
            frame.head(2)
            .with_columns(city=pl.Series(["Oslo", None]))
            .select(toy.FEATURES)
            .to_pandas()
        )[:, 1],
        atol=1e-6,
    )
    unseen = {**known, "city": np.array(["Oslo", "Paris"], dtype=object)}
    with pytest.raises(BundleError, match="'city' holds a category") as caught:
        predictor.predict(unseen, 2)
    assert "Paris" not in str(caught.value)


def test_what_has_no_converter_is_served_natively_and_says_why(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    estimator = make_pipeline(FunctionTransformer(_shifted), LogisticRegression())
    clean = frame.with_columns(pl.col("amount").fill_null(0.0))
    train = clean.head(450).select(toy.NUMBERS).to_pandas()
    estimator.fit(train, clean.head(450)["late"].to_numpy())
    _, manifest = make(estimator, toy.spec_of(features=toy.NUMBERS), clean)
    assert manifest.predictor == "native"
    assert manifest.note.startswith("cannot be compiled: ")


def _shifted(rows: Any) -> Any:
    return rows + 1


def test_a_time_is_served_natively_and_says_why(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    class Clock:
        classes_ = (False, True)

        def predict_proba(self, rows: Any) -> Any:
            high = (rows["at"].dt.minute / 60).to_numpy()
            return np.stack([1 - high, high], axis=1)

    _, manifest = make(Clock(), toy.spec_of(features=["at"]), frame)
    assert manifest.note == "cannot be compiled: 'at' is a datetime"


def test_a_conversion_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr("holdfast.registry.compile._first_alike", lambda *_: release.wait(30))
    none: Any = None
    made, why = to_onnx(none, "binary", {}, none, limit=timedelta(seconds=0.05))
    release.set()
    assert made is None
    assert why == "compiling took longer than 0 s"


def test_the_mending_is_undone_also_when_conversions_overlap() -> None:
    from skl2onnx.common._container import ModelComponentContainer

    before = ModelComponentContainer.add_node
    with mended():
        with mended():
            assert ModelComponentContainer.add_node is not before
        assert ModelComponentContainer.add_node is not before
    assert ModelComponentContainer.add_node is before


def test_the_estimator_itself_is_not_touched() -> None:
    encoder = OneHotEncoder().fit(pl.DataFrame({"x": ["a", None]}).to_pandas())
    before = [item.tolist() for item in encoder.categories_]
    prepared(encoder)
    assert str([item.tolist() for item in encoder.categories_]) == str(before)


def test_a_category_spelled_like_a_null_is_not_compiled() -> None:
    encoder = OneHotEncoder().fit(pl.DataFrame({"x": ["a", "nan"]}).to_pandas())
    with pytest.raises(ValueError, match="spelled 'nan'"):
        prepared(encoder)
