"""One input for many numbers.

skl2onnx joins the columns of numbers inside the graph, each an input of its own. Handing them over
joined gives the same model and halves the time of a one-row prediction.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from holdfast.bundle.onnx import JOINED


def join_numbers(model: Any, checked: set[str]) -> None:
    """Puts one (n, k) input in the place of k inputs of one float type that a ``Concat`` joins.

    Args:
        model: an ``onnx.ModelProto``, changed in place; its metadata then say what was joined.
        checked: columns whose values are looked at one by one, which stay as they are.
    """
    from onnx import AttributeProto, TensorProto, helper

    graph = model.graph
    if any(a.type == AttributeProto.GRAPH for node in graph.node for a in node.attribute):
        return  # an inner graph may read the inputs too
    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in graph.input}
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE)
    free = {name for name, kind in kinds.items() if kind in floats} - checked
    used = Counter(name for node in graph.node for name in node.input)
    used.update(entry.name for entry in graph.output)
    joined: dict[str, list[str]] = {}
    for node in [node for node in graph.node if _joins(node)]:
        names = list(node.input)
        if len(names) > 1 and all(name in free and used[name] == 1 for name in names):
            joined[node.output[0]] = names
            graph.node.remove(node)
    gone = {name for names in joined.values() for name in names}
    for entry in [entry for entry in graph.input if entry.name in gone]:
        graph.input.remove(entry)
    for name, names in joined.items():
        shape = [None, len(names)]
        graph.input.append(helper.make_tensor_value_info(name, kinds[names[0]], shape))
    if joined:
        prop = model.metadata_props.add()
        prop.key, prop.value = JOINED, json.dumps(joined)


def _joins(node: Any) -> bool:
    """Whether a node puts columns side by side."""
    return node.op_type == "Concat" and [a.i for a in node.attribute if a.name == "axis"] == [1]
