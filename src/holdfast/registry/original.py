"""The original estimator: the frame it takes, what nulls it bears, and how it is stored."""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from holdfast.bundle.columns import Columns, concatenate, count, take
from holdfast.bundle.frame import FRAME_FILE, FrameRecipe, recipe_of
from holdfast.bundle.native import FILES, NativeModel, booster_library, load_estimator
from holdfast.bundle.predictor import Outputs
from holdfast.errors import BundleError, UserCodeError
from holdfast.records.signature import Field, Signature

Storage = Literal["pickle", "xgboost", "lightgbm"]
NUMBERS = ("double", "long", "boolean")
_UNSEEN: dict[str, str | int] = {"string": "never seen before", "long": 2**40 + 1}
_PLAIN = {"string": pl.String, "long": pl.Int64}
NO_PROBABILITIES = "it has no predict_proba, so its probabilities are 0 or 1"


class Original(NamedTuple):
    """An estimator, the frame it takes, and what it was seen to bear.

    Args:
        signature: a column is nullable only if the estimator bears nulls there.
        known: for each column where it fails on a category it never saw, those it saw.
    """

    estimator: Any
    recipe: FrameRecipe
    model: NativeModel
    signature: Signature
    note: str
    known: dict[str, list[str | int]]


def examine(
    estimator: Any,
    train: pl.DataFrame,
    kind: Literal["pandas", "polars"],
    task: str,
    signature: Signature,
    rows: Columns,
) -> Original:
    """Finds out how an estimator wants its rows, by asking it and by trying.

    Args:
        estimator: fitted.
        train: the features it was fitted on, for their dtypes.
        kind: the frame its training callable got.
        task: ``binary``, ``multiclass`` or ``regression``.
        signature: inferred from the data; a column stays nullable only if the estimator bears it.
        rows: some held-out rows, at least one.

    Raises:
        UserCodeError: when it cannot predict held-out rows.
    """
    recipe = _recipe(estimator, train, kind, signature)
    model = NativeModel(estimator, recipe, task, signature)
    predict_as_user(model, rows)
    # Single rows: threads would only wait for each other, tree by tree.
    with threadpool_limits(1):
        inputs = tuple(_bearable(field, model, rows) for field in signature.inputs)
        known = {
            field.name: train.get_column(field.name).drop_nulls().cast(_PLAIN[field.type]).unique()
            for field in inputs
            if field.type in _UNSEEN and not _bears(model, _with(rows, field, _UNSEEN[field.type]))
        }
    honest = task == "regression" or hasattr(estimator, "predict_proba")
    note = "" if honest or booster_library(estimator) else NO_PROBABILITIES
    signature = msgspec.structs.replace(signature, inputs=inputs)
    values = {name: series.sort().to_list() for name, series in known.items()}
    return Original(estimator, recipe, model, signature, note, values)


def predict_as_user(model: NativeModel, rows: Columns) -> Outputs:
    """Predicts; a failure is the user's, with its traceback.

    Raises:
        UserCodeError: when the estimator fails on the rows.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.predict(rows)
    except BundleError as error:
        cause = error.__cause__ or error
        raise UserCodeError(
            "user_code.cannot_predict",
            f"the estimator cannot predict held-out rows: {type(cause).__name__}: {cause}",
            "Return an estimator that predicts from a frame of the features alone.",
            "".join(traceback.format_exception(cause)),
        ) from error


def _recipe(
    estimator: Any, train: pl.DataFrame, kind: Literal["pandas", "polars"], signature: Signature
) -> FrameRecipe:
    names = _names(estimator)
    known = set(train.columns)
    if names and set(names) <= known:
        return recipe_of(train.select(names), kind)
    plain = all(field.type in NUMBERS for field in signature.inputs)
    if plain and (names or hasattr(estimator, "n_features_in_") or booster_library(estimator)):
        # Fitted on a matrix: scikit-learn would warn of names at each prediction.
        return recipe_of(train, "matrix")
    return recipe_of(train, kind)


def _names(estimator: Any) -> list[str]:
    """The names of the columns an estimator was fitted on, if it tells."""
    library = booster_library(estimator)
    if library == "xgboost":
        return list(estimator.feature_names or [])
    if library == "lightgbm":
        return list(estimator.feature_name())
    return [str(name) for name in getattr(estimator, "feature_names_in_", [])]


def _bearable(field: Field, model: NativeModel, rows: Columns) -> Field:
    if not field.nullable or _bears(model, with_null(take(rows, slice(0, 1)), field)):
        return field
    return msgspec.structs.replace(field, nullable=False)


def _bears(model: NativeModel, rows: Columns) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.predict(rows)
    except BundleError:
        return False
    return True


def _with(rows: Columns, field: Field, value: str | int) -> Columns:
    """The first row, with another value in one column."""
    kind = object if field.type == "string" else np.int64
    return {**take(rows, slice(0, 1)), field.name: np.array([value], dtype=kind)}


def with_null(rows: Columns, field: Field) -> Columns:
    """The same rows with one column all null."""
    length = count(rows)
    if field.type == "string":
        nulls: Any = np.full(length, None, dtype=object)
    elif field.type == "datetime":
        nulls = np.full(length, np.datetime64("NaT"), dtype="datetime64[us]")
    elif field.type == "vector":
        nulls = np.full((length, field.width), np.nan)
    else:
        nulls = np.full(length, np.nan)
    return {**rows, field.name: nulls}


def edge_rows(rows: Columns, original: Original) -> Columns:
    """What held-out rows may lack: a null in each nullable column, a category never seen."""
    length = count(rows)
    made = [take(rows, slice(0, 0))]
    for index, field in enumerate(original.signature.inputs):
        row = take(rows, slice(index % length, index % length + 1))
        if field.nullable:
            made.append(with_null(row, field))
        if field.type == "string" and field.name not in original.known:
            made.append(_with(row, field, _UNSEEN["string"]))
    return concatenate(made)


def store(
    folder: Path, original: Original, pickled: bytes, task: str, rows: Columns, expected: Outputs
) -> tuple[Storage, str]:
    """Writes the estimator into ``native/``: as its library's own format if that loses nothing.

    Args:
        folder: the bundle being made.
        original: the estimator.
        pickled: the estimator as the training process left it.
        task: ``binary``, ``multiclass`` or ``regression``.
        rows: held-out rows.
        expected: what the original answers for them.

    Returns:
        How it is stored, and a note when the library's own format lost something.
    """
    (folder / FRAME_FILE).parent.mkdir()
    kind, note = _library(original), ""
    if kind != "pickle":
        data = _dump(original.estimator, kind)
        recipe = FrameRecipe(kind="matrix", columns=original.recipe.columns)
        if data and _same(data, kind, recipe, task, original.signature, rows, expected):
            (folder / FILES[kind]).write_bytes(data)
            (folder / FRAME_FILE).write_bytes(recipe.to_json())
            return kind, note
        note = f"{kind}'s own format would change its answers, so it is a pickle"
    (folder / FILES["pickle"]).write_bytes(pickled)
    (folder / FRAME_FILE).write_bytes(original.recipe.to_json())
    return "pickle", note


def _library(original: Original) -> Storage:
    """The library whose own format may hold the estimator: it is directly one of its models."""
    root = type(original.estimator).__module__.partition(".")[0]
    types = {field.name: field.type for field in original.signature.inputs}
    plain = all(
        column.categories is None and types[column.name] in NUMBERS
        for column in original.recipe.columns
    )
    if not plain:
        return "pickle"
    if root == "xgboost" and (
        hasattr(original.estimator, "get_booster") or booster_library(original.estimator)
    ):
        return "xgboost"
    if root == "lightgbm" and (
        hasattr(original.estimator, "booster_") or booster_library(original.estimator)
    ):
        return "lightgbm"
    return "pickle"


def _dump(estimator: Any, kind: Storage) -> bytes | None:
    plain = booster_library(estimator) is not None
    try:
        if kind == "xgboost":
            booster = estimator if plain else estimator.get_booster()
            return bytes(booster.save_raw("ubj"))
        booster = estimator if plain else estimator.booster_
        return str(booster.model_to_string()).encode()
    except Exception:  # noqa: BLE001 - a library that cannot save has a pickle instead
        return None


def _same(
    data: bytes,
    kind: Storage,
    recipe: FrameRecipe,
    task: str,
    signature: Signature,
    rows: Columns,
    expected: Outputs,
) -> bool:
    try:
        model = NativeModel(load_estimator(data, kind), recipe, task, signature)
        actual = model.predict(rows)
    except BundleError:
        return False
    return np.allclose(actual.score, expected.score, rtol=1e-6, atol=1e-7)
