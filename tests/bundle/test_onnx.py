"""What the compiled model is fed."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.bundle.onnx import _SHAPES, NULL_TEXT, OnnxModel
from holdfast.errors import BundleError
from holdfast.records import Signature


def test_feeds_have_one_column_and_the_types_of_onnx() -> None:
    fed = {name: feed(np.array([1.0])) for name, feed in _SHAPES.items() if "string" not in name}
    assert {values.dtype.name for values in fed.values()} == {
        "float32",
        "float64",
        "int64",
        "bool",
    }
    assert all(values.shape == (1, 1) for values in fed.values())


def test_a_null_string_is_not_the_empty_string() -> None:
    fed = _SHAPES["tensor(string)"](np.array(["", None, "x"], dtype=object))
    assert fed[:, 0].tolist() == ["", NULL_TEXT, "x"]


def test_a_model_that_is_none_is_named(signature: Signature) -> None:
    with pytest.raises(BundleError, match="cannot load"):
        OnnxModel(b"not onnx", "binary", signature)
