"""The Open Inference Protocol, version 2, apart from its two ways over the wire.

What tensors, outputs and models mean here, so that REST and gRPC cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from holdfast.serving.converter import Converter, Rows
from holdfast.serving.router import LiveRoute, Loaded
from holdfast.serving.server import Answer, ModelServer
from holdfast.serving.tensors import Result, Tensor, vectors, wrong

EXTENSIONS = ("binary_tensor_data",)
DATATYPES = {
    "double": "FP64", "long": "INT64", "boolean": "BOOL", "string": "BYTES", "datetime": "BYTES",
    "vector": "FP64",
}  # fmt: skip
_NUMBERS = ("FP", "INT", "UINT")
_TAKEN: dict[str, tuple[str, ...]] = {
    "double": _NUMBERS, "long": _NUMBERS, "boolean": ("BOOL",), "string": ("BYTES",),
    "datetime": ("BYTES",), "vector": _NUMBERS,
}  # fmt: skip
_LONGEST_ID = 256


class Asked(NamedTuple):
    """A request as read.

    Args:
        rows: what to score.
        id: the caller's, to be repeated.
        outputs: name of each output that was asked for → whether as bytes; empty for all.
        binary: whether outputs go as bytes when nothing is said of them.
    """

    rows: Rows
    id: str | None
    outputs: dict[str, bool]
    binary: bool


class Shape(NamedTuple):
    """A tensor as metadata tells it; -1 is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Description(NamedTuple):
    """A model as metadata tells it."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Shape]
    outputs: list[Shape]


def check_id(identity: object) -> None:
    """The caller's id of a request.

    Raises:
        RequestError: when it is no text, or a long one.
    """
    if identity is not None and (type(identity) is not str or len(identity) > _LONGEST_ID):
        raise wrong(f"id must be text of at most {_LONGEST_ID} characters")


def read_rows(tensors: Sequence[Tensor], converter: Converter) -> Rows:
    """Rows of one tensor a column.

    Raises:
        RequestError: when the tensors do not fit each other or the model.
    """
    count = tensors[0].rows
    columns: dict[str, Sequence[Any]] = {tensor.name: tensor.values for tensor in tensors}
    if len(columns) != len(tensors) or any(tensor.rows != count for tensor in tensors):
        raise wrong("inputs must have different names and the same number of rows")
    datatypes = {tensor.name: tensor.datatype for tensor in tensors}
    for field in converter.signature.inputs:
        datatype = datatypes.get(field.name)
        if datatype is not None and not datatype.startswith(_TAKEN[field.type]):
            raise wrong(f"the input '{field.name}' must be {DATATYPES[field.type]}")
    for name, width in converter.widths.items():
        if name in columns:
            columns[name] = vectors(columns[name], width)
    return converter.columns(columns, count)


def check_output(name: object, converter: Converter) -> None:
    """The name of an output that is asked for.

    Raises:
        RequestError: when the model has none of that name.
    """
    if name not in ("prediction", "probability"):
        raise wrong("the outputs are prediction and, for classes, probability")
    if name == "probability" and not converter.signature.classes:
        raise wrong("a regression has the output prediction only")


def results(answer: Answer, asked: Asked) -> list[Result]:
    """The outputs to send."""
    outputs, loaded = answer.outputs, answer.loaded
    found = [Result("prediction", _label_datatype(loaded), outputs.prediction)]
    if outputs.probability is not None:
        found.append(Result("probability", "FP64", outputs.probability))
    return [result for result in found if not asked.outputs or result.name in asked.outputs]


def find(server: ModelServer, name: str, version: str | None) -> tuple[LiveRoute, Loaded]:
    """The live route of a model, and its champion or the version that was named.

    Raises:
        NotFoundError: when there is no such model or version.
    """
    live = server.pick(name)
    return live, live.champion if version is None else server.version(live, version)


def model_ready(server: ModelServer, name: str, version: str | None) -> bool:
    """Whether a model can be asked now; one that sleeps can, unless it could not be loaded.

    Raises:
        NotFoundError: when there is no such model or version.
    """
    asleep = version is None and name in server.routes.asleep
    if not asleep:
        find(server, name, version)
    return server.ready and not (asleep and name in server.routes.problems)


def describe(server: ModelServer, name: str, version: str | None) -> Description:
    """Metadata of a model.

    Raises:
        NotFoundError: when there is no such model or version.
    """
    live, loaded = find(server, name, version)
    classes = len(loaded.signature.classes)
    outputs = [Shape("prediction", _label_datatype(loaded), (-1,))]
    if loaded.task != "regression":
        shape = (-1,) if loaded.task == "binary" else (-1, classes)
        outputs.append(Shape("probability", "FP64", shape))
    return Description(
        name=live.model,
        versions=[str(number) for number in sorted(live.versions)],
        platform=f"holdfast_{loaded.kind}",
        inputs=[
            Shape(field.name, DATATYPES[field.type], (-1, field.width) if field.width else (-1,))
            for field in loaded.signature.inputs
        ],
        outputs=outputs,
    )


def _label_datatype(loaded: Loaded) -> str:
    if loaded.task == "regression":
        return "FP64"
    kinds = {type(label) for label in loaded.signature.classes}
    return "BOOL" if kinds == {bool} else "INT64" if kinds == {int} else "BYTES"
