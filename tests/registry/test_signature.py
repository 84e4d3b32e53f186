"""Signatures inferred from data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from holdfast.errors import BundleError, SpecError
from holdfast.registry.signature import classes_of, column_type, infer_signature, label_type


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pl.UInt8(), "long"), (pl.Int64(), "long"), (pl.Float32(), "double"),
        (pl.Decimal(10, 2), "double"), (pl.Boolean(), "boolean"), (pl.String(), "string"),
        (pl.Categorical(), "string"), (pl.Enum(["a"]), "string"), (pl.Date(), "datetime"),
        (pl.Datetime("ns", "UTC"), "datetime"),
    ],
)  # fmt: skip
def test_types(dtype: pl.DataType, kind: str) -> None:
    assert column_type("x", dtype) == kind


@pytest.mark.parametrize("dtype", [pl.List(pl.Int8), pl.Struct([]), pl.Duration(), pl.Null()])
def test_types_no_request_can_carry(dtype: pl.DataType) -> None:
    with pytest.raises(BundleError, match="'x'"):
        column_type("x", dtype)


def test_classes_are_plain_values_of_the_labels_type() -> None:
    numpy = SimpleNamespace(classes_=np.array([0, 1]))
    assert classes_of(numpy, pl.Series([True, False]), "binary") == (False, True)
    assert classes_of(numpy, pl.Series([1, 0]), "binary") == (0, 1)
    floats = SimpleNamespace(classes_=np.array([0.0, 1.0]))
    assert [type(v) for v in classes_of(floats, pl.Series([1, 0]), "binary")] == [int, int]
    assert classes_of(object(), pl.Series(["b", None, "a"]), "multiclass") == ("a", "b")
    assert classes_of(numpy, pl.Series([0.5]), "regression") == ()


def test_the_label_has_a_type() -> None:
    assert label_type(()) == "double"
    assert label_type((1, 2)) == "long"
    assert label_type((False, True)) == "boolean"
    assert label_type(("a", "b")) == "string"


def test_a_binary_model_has_two_classes(toy: Any, frame: pl.DataFrame) -> None:
    with pytest.raises(SpecError, match="knows 3 classes"):
        infer_signature(frame, toy.spec_of(), ("a", "b", "c"))
