"""Bundles of real estimators: signature, storage, compiling, golden rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from holdfast.bundle.columns import count, from_polars
from holdfast.bundle.predictor import check_golden, open_bundle
from holdfast.errors import BundleError, SpecError, UserCodeError


def columns(encoder: Any, *numeric: Any) -> ColumnTransformer:
    """Strings through an encoder, numbers through ``numeric`` or as they are."""
    numbers = make_pipeline(*numeric) if numeric else "passthrough"
    return ColumnTransformer(
        [("text", encoder, ["city"]), ("numbers", numbers, ["amount", "age", "count", "member"])]
    )


def ordinal() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def onehot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")


PIPELINES = {
    "boosting": lambda: make_pipeline(
        columns(ordinal()), HistGradientBoostingClassifier(max_iter=10)
    ),
    "logistic": lambda: make_pipeline(
        columns(onehot(), SimpleImputer(), StandardScaler()), LogisticRegression()
    ),
    "forest": lambda: make_pipeline(
        columns(onehot(), SimpleImputer(strategy="median")),
        RandomForestClassifier(10, n_jobs=2, random_state=0),
    ),
    "xgboost": lambda: make_pipeline(columns(onehot()), XGBClassifier(n_estimators=10)),
    "lightgbm": lambda: make_pipeline(
        columns(onehot()), LGBMClassifier(n_estimators=10, verbose=-1)
    ),
}


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_pipelines_of_every_type_compile_and_answer_as_the_original(
    name: str, make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator = PIPELINES[name]().fit(train, frame.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(), frame)
    assert manifest.predictor == "onnx", manifest.note
    predictor = open_bundle(folder, digest=manifest.digest)
    test = frame.tail(150)
    outputs = predictor.predict(from_polars(test, manifest.signature), 150)
    expected = estimator.predict_proba(test.select(toy.FEATURES).to_pandas())[:, 1]
    np.testing.assert_allclose(outputs.probability, expected, atol=1e-4)
    assert outputs.prediction.dtype == np.bool_
    assert check_golden(predictor, folder) == 32


def test_unseen_categories_and_nulls_are_answered_alike(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator = PIPELINES["boosting"]().fit(train, frame.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(), frame)
    strange = frame.head(4).with_columns(
        city=pl.Series(["Paris", "", None, "Oslo"]), amount=pl.Series([None, 1.0, None, 2.0])
    )
    outputs = open_bundle(folder).predict(from_polars(strange, manifest.signature), 4)
    expected = estimator.predict_proba(strange.select(toy.FEATURES).to_pandas())[:, 1]
    np.testing.assert_allclose(outputs.probability, expected, atol=1e-6)


def test_the_signature_says_types_nulls_and_classes(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator = PIPELINES["logistic"]().fit(train, frame.head(450)["late"].to_numpy())
    _, manifest = make(estimator, toy.spec_of(), frame)
    fields = {field.name: (field.type, field.nullable) for field in manifest.signature.inputs}
    assert fields == {
        "amount": ("double", True),
        "age": ("double", True),
        "count": ("long", False),
        "member": ("boolean", False),
        "city": ("string", True),
    }
    assert list(fields) == toy.FEATURES
    assert manifest.signature.classes == (False, True)
    assert manifest.signature.positive == 1


def test_a_column_stays_nullable_only_if_the_estimator_bears_it(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    clean = frame.with_columns(pl.col("amount").fill_null(0.0))
    train = clean.head(450).select(toy.NUMBERS).to_pandas()
    estimator = LogisticRegression().fit(train, clean.head(450)["late"].to_numpy())
    _, manifest = make(estimator, toy.spec_of(features=toy.NUMBERS), clean)
    assert [field.nullable for field in manifest.signature.inputs] == [False, False, False]
    assert manifest.predictor == "onnx"


BOOSTERS = [
    (XGBClassifier(n_estimators=5), "binary", "late", "xgboost"),
    (XGBRegressor(n_estimators=5), "regression", "value", "xgboost"),
    (LGBMClassifier(n_estimators=5, verbose=-1), "binary", "late", "lightgbm"),
    (LGBMClassifier(n_estimators=5, verbose=-1), "multiclass", "grade", "lightgbm"),
    (LGBMRegressor(n_estimators=5, verbose=-1), "regression", "value", "lightgbm"),
]


@pytest.mark.parametrize(("estimator", "task", "label", "storage"), BOOSTERS)
def test_boosters_are_stored_in_their_own_format(
    estimator: Any, task: str, label: str, storage: str, make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    names = [*toy.NUMBERS, "member"]
    estimator.fit(frame.head(450).select(names).to_pandas(), frame.head(450)[label].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(task, names, label), frame)
    assert (manifest.native, manifest.predictor) == (storage, "onnx"), manifest.note
    assert not list(folder.rglob("*.pkl"))
    from holdfast.bundle.native import load_native

    test = from_polars(frame.tail(150), manifest.signature)
    compiled, native = open_bundle(folder), load_native(folder, manifest)
    one, other = compiled.predict(test, 150), native.predict(test, 150)
    np.testing.assert_allclose(one.score, other.score, atol=1e-5)
    if task != "regression":
        assert one.prediction.tolist() == other.prediction.tolist()
    check_golden(compiled, folder)
    check_golden(native, folder)


def test_plain_boosters_need_no_wrapper(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    import lightgbm
    import xgboost

    train = frame.head(450).select(toy.NUMBERS).to_pandas()
    late = frame.head(450)["late"].to_numpy().astype(int)
    spec = toy.spec_of(features=toy.NUMBERS)
    first = xgboost.train(
        {"objective": "binary:logistic"}, xgboost.DMatrix(train, late), num_boost_round=5
    )
    _, manifest = make(first, spec, frame, name="xgboost")
    assert (manifest.native, manifest.predictor) == ("xgboost", "onnx"), manifest.note
    second = lightgbm.train(
        {"objective": "binary", "verbosity": -1}, lightgbm.Dataset(train, late), 5
    )
    folder, manifest = make(second, spec, frame, name="lightgbm")
    assert (manifest.native, manifest.predictor) == ("lightgbm", "native")
    assert manifest.signature.classes == (False, True)
    check_golden(open_bundle(folder), folder)


def test_multiclass_probabilities_are_in_the_order_of_the_classes(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator = PIPELINES["boosting"]().fit(train, frame.head(450)["grade"].to_list())
    folder, manifest = make(estimator, toy.spec_of("multiclass", label="grade"), frame)
    assert manifest.signature.classes == ("high", "low", "mid")
    outputs = open_bundle(folder).predict(from_polars(frame.tail(150), manifest.signature), 150)
    assert outputs.probability is not None
    assert outputs.probability.shape == (150, 3)
    expected = estimator.predict(frame.tail(150).select(toy.FEATURES).to_pandas())
    assert outputs.prediction.tolist() == expected.tolist()


def test_regression_answers_with_values(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    estimator = HistGradientBoostingRegressor(max_iter=10)
    estimator.fit(frame.head(450).select(toy.NUMBERS).to_pandas(), frame.head(450)["value"])
    spec = toy.spec_of("regression", toy.NUMBERS, "value")
    folder, manifest = make(estimator, spec, frame)
    assert manifest.predictor == "onnx", manifest.note
    outputs = open_bundle(folder).predict(from_polars(frame.tail(9), manifest.signature), 9)
    assert outputs.probability is None
    assert outputs.score.shape == (9,)


class Rule:
    """A model of one's own: no scikit-learn, no probabilities."""

    classes_ = np.array([False, True])

    def predict(self, rows: Any) -> Any:
        return (rows["count"] > 4).to_numpy()


def test_a_model_of_ones_own_is_served_natively_with_an_honest_note(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    folder, manifest = make(Rule(), toy.spec_of(), frame)
    assert manifest.predictor == "native"
    assert manifest.note.startswith("cannot be compiled")
    assert "no predict_proba" in manifest.note
    outputs = open_bundle(folder, key=toy.KEY).predict(
        from_polars(frame, manifest.signature), count(from_polars(frame, manifest.signature))
    )
    assert set(outputs.score.tolist()) == {0.0, 1.0}


def test_a_decision_function_is_not_passed_off_as_probability(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    clean = frame.with_columns(pl.col("amount").fill_null(0.0))
    train = clean.head(450).select(toy.NUMBERS).to_pandas()
    estimator = RidgeClassifier().fit(train, clean.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(features=toy.NUMBERS), clean)
    assert manifest.predictor == "native"
    predictor = open_bundle(folder, key=toy.KEY)
    outputs = predictor.predict(from_polars(clean.tail(50), manifest.signature), 50)
    assert set(outputs.score.tolist()) == {0.0, 1.0}


def test_a_polars_model_gets_polars(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    class Polar:
        classes_ = (False, True)

        def predict_proba(self, rows: Any) -> Any:
            high = rows.select(pl.col("amount").fill_null(0.5).clip(0, 1)).to_series().to_numpy()
            return np.stack([1 - high, high], axis=1)

    folder, manifest = make(Polar(), toy.spec_of(extra='frame = "polars"'), frame)
    predictor = open_bundle(folder, key=toy.KEY)
    outputs = predictor.predict(from_polars(frame.tail(20), manifest.signature), 20)
    expected = frame.tail(20)["amount"].fill_null(0.5).clip(0, 1)
    np.testing.assert_allclose(outputs.score, expected.to_numpy())


def test_categories_keep_their_dtype(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    typed = frame.with_columns(pl.col("city").cast(pl.Categorical))
    estimator = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    train = typed.head(450).select(toy.FEATURES).to_pandas()
    estimator.fit(train, typed.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(), typed)
    predictor = open_bundle(folder, key=toy.KEY)
    outputs = predictor.predict(from_polars(typed.tail(150), manifest.signature), 150)
    expected = estimator.predict_proba(typed.select(toy.FEATURES).to_pandas().tail(150))[:, 1]
    np.testing.assert_allclose(outputs.score, expected, atol=1e-4)


def test_a_model_fitted_on_a_matrix_gets_a_matrix(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5)
    train = frame.head(450).select(toy.NUMBERS).to_numpy()
    estimator.fit(train, frame.head(450)["late"].to_numpy())
    folder, manifest = make(estimator, toy.spec_of(features=toy.NUMBERS), frame)
    assert json.loads((folder / "native/frame.json").read_text())["kind"] == "matrix"
    assert manifest.predictor == "onnx"


def test_the_positive_class_must_be_known(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5)
    train = frame.head(450).select(toy.NUMBERS).to_pandas()
    estimator.fit(train, np.where(frame.head(450)["late"], "yes", "no"))
    with pytest.raises(SpecError, match=r"positive = True is not a class .*'no', 'yes'"):
        make(estimator, toy.spec_of(features=toy.NUMBERS), frame)
    _, manifest = make(estimator, toy.spec_of(features=toy.NUMBERS, extra='positive = "no"'), frame)
    assert manifest.signature.positive == 0


def test_an_estimator_that_cannot_predict_is_the_users_fault(
    make: Any, toy: Any, frame: pl.DataFrame
) -> None:
    class Broken:
        classes_ = (False, True)

        def predict(self, rows: Any) -> Any:
            raise KeyError("surcharge")

    with pytest.raises(UserCodeError, match="surcharge") as caught:
        make(Broken(), toy.spec_of(), frame)
    assert "in predict" in caught.value.traceback


def test_building_again_changes_nothing(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    folder, first = make(Rule(), toy.spec_of(), frame)
    before = (folder / "bundle.json").stat().st_mtime_ns
    _, second = make(Rule(), toy.spec_of(), frame)
    assert first == second
    assert (folder / "bundle.json").stat().st_mtime_ns == before
    (folder / "native/estimator.pkl").write_bytes(b"torn")
    _, third = make(Rule(), toy.spec_of(), frame)
    assert third.files == first.files


def test_nothing_is_left_behind_when_it_fails(
    make: Any, toy: Any, frame: pl.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "junk.pkl").write_bytes(b"not a pickle")
    with pytest.raises(BundleError):
        _build(tmp_path, toy, frame, tmp_path / "junk.pkl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junk.pkl"]


def test_the_reference_may_be_made_from_what_the_bundle_answers(
    toy: Any, frame: pl.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "rule.pkl").write_bytes(cloudpickle.dumps(Rule()))
    seen = []

    def reference(outputs: Any, signature: Any) -> Any:
        seen.append(outputs)
        assert [field.name for field in signature.inputs] == toy.FEATURES
        return toy.REFERENCE

    _build(tmp_path, toy, frame, tmp_path / "rule.pkl", reference)
    assert len(seen[0].prediction) == 150


def _build(folder: Path, toy: Any, frame: pl.DataFrame, file: Path, reference: Any = None) -> None:
    from holdfast.registry.build import build_bundle

    build_bundle(
        folder / "bundle", estimator_pickle=file, train=frame.head(450), test=frame.tail(150),
        spec=toy.spec_of(), reference=reference or toy.REFERENCE, run="r", dataset="d", lock="",
        now=toy.NOW, key=toy.KEY,
    )  # fmt: skip


def test_pipelines_inside_pipelines_compile(make: Any, toy: Any, frame: pl.DataFrame) -> None:
    inner = Pipeline([("columns", columns(ordinal()))])
    estimator = make_pipeline(inner, HistGradientBoostingClassifier(max_iter=5))
    train = frame.head(450).select(toy.FEATURES).to_pandas()
    estimator.fit(train, frame.head(450)["late"].to_numpy())
    _, manifest = make(estimator, toy.spec_of(), frame)
    assert manifest.predictor == "onnx", manifest.note
