"""Columns that the graph joins anyway are handed over joined."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from holdfast.bundle.onnx import JOINED, OnnxModel
from holdfast.errors import BundleError
from holdfast.records import Field, Signature
from holdfast.registry.join import join_numbers

FLOAT, TEXT = TensorProto.FLOAT, TensorProto.STRING


def graph_of(*nodes: Any, kinds: dict[str, int] | None = None) -> Any:
    """A graph over a, b and c; its output is ``y``."""
    inputs = [
        helper.make_tensor_value_info(name, kind, [None, 1])
        for name, kind in (kinds or {"a": FLOAT, "b": FLOAT, "c": FLOAT}).items()
    ]
    output = [helper.make_tensor_value_info("y", FLOAT, [None, 1])]
    graph = helper.make_graph(list(nodes), "g", inputs, output)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def concat(*names: str, to: str = "all", axis: int = 1) -> Any:
    return helper.make_node("Concat", list(names), [to], axis=axis)


def weighted() -> list[Any]:
    """The first column, ten times the second and a hundred times the third."""
    return [
        helper.make_node("Constant", [], ["w"], value_floats=[1.0, 10.0, 100.0]),
        helper.make_node("Mul", ["all", "w"], ["m"]),
        helper.make_node("Constant", [], ["axes"], value_ints=[1]),
        helper.make_node("ReduceSum", ["m", "axes"], ["y"], keepdims=1),
    ]


def joined_of(model: Any) -> Any:
    return [json.loads(prop.value) for prop in model.metadata_props if prop.key == JOINED]


@pytest.mark.parametrize("rows", [1, 4])
def test_the_joined_model_answers_alike_in_the_order_of_the_join(rows: int) -> None:
    model = graph_of(concat("c", "a", "b"), *weighted())
    fields = tuple(Field(name=name, type="double") for name in "abc")
    signature = Signature(inputs=fields, outputs=(Field(name="prediction", type="double"),))
    columns = {
        "a": np.arange(rows, dtype=np.float64),
        "b": np.arange(rows) % 2 == 0,
        "c": np.arange(rows, dtype=np.int64) + 5,
    }
    before = OnnxModel(model.SerializeToString(), "regression", signature).predict(columns)
    join_numbers(model, set())
    onnx.checker.check_model(model)
    assert [entry.name for entry in model.graph.input] == ["all"]
    after = OnnxModel(model.SerializeToString(), "regression", signature).predict(columns)
    expected = columns["c"] + 10.0 * columns["a"] + 100.0 * columns["b"]
    assert after.prediction.tolist() == before.prediction.tolist() == expected.tolist()


def test_a_column_of_text_used_twice_or_checked_is_left_alone() -> None:
    text = graph_of(concat("a", "b"), kinds={"a": FLOAT, "b": TEXT})
    twice = graph_of(concat("a", "b"), helper.make_node("Neg", ["a"], ["y"]))
    checked = graph_of(concat("a", "b"))
    rows = graph_of(concat("a", "b", axis=0))
    alone = graph_of(concat("a"))
    for model in (text, twice, checked, rows, alone):
        before = model.SerializeToString()
        join_numbers(model, {"b"} if model is checked else set())
        assert model.SerializeToString() == before


def test_an_inner_graph_keeps_every_input() -> None:
    inner = helper.make_graph(
        [helper.make_node("Neg", ["a"], ["n"])],
        "inner",
        [],
        [helper.make_tensor_value_info("n", FLOAT, None)],
    )
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    model = graph_of(concat("a", "b"), branch)
    join_numbers(model, set())
    assert joined_of(model) == []


def test_two_joins_become_two_inputs() -> None:
    kinds = {"a": FLOAT, "b": FLOAT, "c": FLOAT, "d": FLOAT}
    model = graph_of(concat("a", "b", to="one"), concat("d", "c", to="two"), kinds=kinds)
    join_numbers(model, set())
    assert joined_of(model) == [{"one": ["a", "b"], "two": ["d", "c"]}]


def test_a_join_of_columns_that_the_signature_lacks_is_refused() -> None:
    model = graph_of(concat("a", "b", "c"), *weighted())
    join_numbers(model, set())
    fields = (Field(name="a", type="double"), Field(name="b", type="double"))
    signature = Signature(inputs=fields, outputs=(Field(name="prediction", type="double"),))
    with pytest.raises(BundleError, match="wants inputs"):
        OnnxModel(model.SerializeToString(), "regression", signature)
