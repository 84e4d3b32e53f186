"""Inferring a model's signature from the data it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from holdfast.errors import BundleError, SpecError
from holdfast.records.signature import ColumnType, Field, Signature
from holdfast.spec import Spec

Label = bool | int | str


def infer_signature(train: pl.DataFrame, spec: Spec, classes: Sequence[Label]) -> Signature:
    """The signature of a model trained on ``train``.

    Args:
        train: the training rows; features in the order of the spec.
        spec: names the features, the id and the positive class.
        classes: class labels in the order of the model's probabilities; empty for regression.

    Raises:
        SpecError: when the positive class is not among the classes.
        BundleError: when a feature is of a type no model can be served with.
    """
    outputs = [Field(name="prediction", type=label_type(classes), nullable=False)]
    if classes:
        outputs.append(Field(name="probability", type="double", nullable=False))
    return Signature(
        inputs=tuple(_field(train.get_column(name)) for name in spec.data.features),
        outputs=tuple(outputs),
        id=spec.data.id,
        classes=tuple(classes),
        positive=_positive(spec, classes) if spec.model.task == "binary" else 1,
    )


def _field(series: pl.Series) -> Field:
    kind = column_type(series.name, series.dtype)
    nullable = series.null_count() > 0 or kind in ("double", "string")
    width = int(series.dtype.size) if isinstance(series.dtype, pl.Array) else 0
    return Field(name=series.name, type=kind, nullable=nullable, width=width)


def column_type(name: str, dtype: pl.DataType) -> ColumnType:
    """MLflow's type name for a polars dtype.

    Raises:
        BundleError: when there is none.

    >>> column_type("a", pl.Int16())
    'long'
    """
    if dtype.is_integer():
        return "long"
    if dtype.is_numeric():
        return "double"
    if dtype == pl.Boolean:
        return "boolean"
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return "string"
    if isinstance(dtype, (pl.Datetime, pl.Date)):
        return "datetime"
    if isinstance(dtype, pl.Array) and dtype.inner.is_numeric():
        return "vector"
    raise BundleError(
        "bundle.column_type",
        f"the feature '{name}' is a {dtype}, which no request can carry",
        "Turn it into a number, a string, a boolean, a time or a list of numbers.",
    )


def label_type(classes: Sequence[Label]) -> ColumnType:
    """The type of the predictions: of the class labels, or a number."""
    kinds = {type(label) for label in classes}
    if not kinds:
        return "double"
    if kinds == {bool}:
        return "boolean"
    return "long" if kinds == {int} else "string"


def _positive(spec: Spec, classes: Sequence[Label]) -> int:
    known = ", ".join(repr(label) for label in classes)
    if len(classes) != 2:
        raise SpecError(
            "spec.classes",
            f"[model] task is 'binary', but the model knows {len(classes)} classes ({known})",
            "Write task = 'multiclass', or train on rows of both classes.",
        )
    if spec.model.positive not in classes:
        raise SpecError(
            "spec.positive",
            f"[model] positive = {spec.model.positive!r} is not a class of the model ({known})",
            "Set positive to one of them.",
        )
    return tuple(classes).index(spec.model.positive)


def classes_of(estimator: Any, label: pl.Series, task: str) -> tuple[Label, ...]:
    """Class labels in the order of the estimator's probabilities, as plain Python values.

    Boosters hold their classes as 0 … k-1, also for boolean labels; the label column then tells.
    """
    if task == "regression":
        return ()
    known = getattr(estimator, "classes_", None)
    if known is None:
        known = label.drop_nulls().unique().sort().to_list()
    plain = tuple(value.item() if hasattr(value, "item") else value for value in known)
    if label.dtype == pl.Boolean and set(plain) <= {0, 1}:
        return tuple(bool(value) for value in plain)
    if label.dtype.is_integer() and all(float(v).is_integer() for v in plain if v == v):
        return tuple(int(value) for value in plain)
    return plain
