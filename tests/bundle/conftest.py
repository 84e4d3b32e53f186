"""Small bundles made by hand: no registry, so that reading is tested apart from making."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from holdfast.bundle.frame import ColumnDtype, FrameRecipe
from holdfast.bundle.manifest import write_bundle
from holdfast.bundle.predictor import Outputs, write_golden
from holdfast.records import Field, Signature

KEY = bytes(range(32))
NOW = datetime(2024, 5, 1, tzinfo=UTC)
SIGNATURE = Signature(
    inputs=(Field(name="a", type="double"), Field(name="b", type="long", nullable=False)),
    outputs=(Field(name="prediction", type="string"), Field(name="probability", type="double")),
    classes=("no", "yes"),
    positive=1,
)
ROWS = {"a": np.array([0.0, 0.9, np.nan]), "b": np.array([1, 2, 3])}


class Half:
    """Says yes with the probability in column ``a``, null is a half."""

    def predict_proba(self, rows: Any) -> Any:
        high = np.nan_to_num(np.asarray(rows["a"], dtype=float), nan=0.5)
        return np.stack([1 - high, high], axis=1)


def graph() -> bytes:
    """The same in ONNX, without nulls: (1 - a, a), and b is added and taken away again."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    nodes = [
        helper.make_node("Cast", ["b"], ["float_b"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["a", "float_b"], ["more"]),
        helper.make_node("Sub", ["more", "float_b"], ["high"]),
        helper.make_node("Sub", ["one", "high"], ["low"]),
        helper.make_node("Concat", ["low", "high"], ["probabilities"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("a", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("b", TensorProto.INT64, [None, 1]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])]
    made = helper.make_graph(nodes, "half", inputs, outputs, [one])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


Seal = Callable[..., Path]


@pytest.fixture
def seal(tmp_path: Path) -> Seal:
    """Makes a sealed bundle; ``predictor`` says of what kind, ``key`` who signs it."""

    def make(predictor: str = "native", *, key: bytes = KEY, estimator: Any = None) -> Path:
        folder = tmp_path / "bundle"
        (folder / "native").mkdir(parents=True)
        data = estimator if isinstance(estimator, bytes) else pickle.dumps(estimator or Half())
        (folder / "native/estimator.pkl").write_bytes(data)
        recipe = FrameRecipe(
            kind="pandas",
            columns=(ColumnDtype(name="a", dtype="float64"), ColumnDtype(name="b", dtype="int64")),
        )
        (folder / "native/frame.json").write_bytes(recipe.to_json())
        golden = {"a": np.array([0.0, 0.9]), "b": np.array([1, 2])}
        outputs = Outputs(np.array(["no", "yes"], dtype=object), np.array([0.0, 0.9]))
        write_golden(folder, golden, outputs)
        if predictor == "onnx":
            (folder / "model.onnx").write_bytes(graph())
        write_bundle(
            folder, model="toy", task="binary", signature=SIGNATURE, predictor=predictor,
            native="pickle", run="r", dataset="d", created_at=NOW, key=key,
        )  # fmt: skip
        return folder

    return make


@pytest.fixture
def key() -> bytes:
    return KEY


@pytest.fixture
def signature() -> Signature:
    return SIGNATURE


@pytest.fixture
def rows() -> dict[str, Any]:
    return dict(ROWS)
