"""Running the compiled artefact with ONNX Runtime.

Numbers go in as float32 where that is enough, else as doubles; the model itself computes in float32
in any case, which is why parity with the original is proven at registration before a bundle may use
this predictor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.bundle.columns import Column, Columns, Table
from holdfast.bundle.predictor import Decoder, Outputs
from holdfast.errors import BundleError
from holdfast.records.bundle import BundleManifest
from holdfast.records.signature import Signature

# ONNX has no null string. This stands for it: a character for private use, so no real value.
NULL_TEXT = "\ue000null"

# Metadata of the graph: for columns where the original fails on what it never saw, what it saw.
KNOWN_VALUES = "holdfast.known"

# Metadata of the graph: for inputs that take several columns of numbers at once, which.
JOINED = "holdfast.joined"

Shape = Callable[[Column], NDArray[Any]]
Feed = Callable[[Columns], NDArray[Any]]
T = TypeVar("T")


class OnnxPredictor:
    """A bundle whose model runs in ONNX Runtime; safe to call from several threads."""

    kind: Literal["onnx"] = "onnx"

    def __init__(self, manifest: BundleManifest, model: bytes, *, threads: int = 1) -> None:
        self.manifest = manifest
        self._model = OnnxModel(model, manifest.task, manifest.signature, threads=threads)

    def predict(self, columns: Columns, rows: int) -> Outputs:  # noqa: ARG002
        """Answers for the rows of ``columns``.

        Raises:
            BundleError: when the model fails on them.
        """
        return self._model.predict(columns)


class OnnxModel:
    """An ONNX model with one (n, 1) input a feature, by name, or (n, k) inputs for k joined ones.

    Args:
        model: serialised ONNX model.
        task: ``binary``, ``multiclass`` or ``regression``.
        signature: its columns; each graph input must be one of them, or join some.
        threads: threads of one prediction.

    Raises:
        BundleError: when ONNX Runtime cannot load it.
    """

    def __init__(self, model: bytes, task: str, signature: Signature, *, threads: int = 1) -> None:
        session = _session(model, threads)
        known = {field.name for field in signature.inputs}
        inputs = session.get_inputs()
        joined = _metadata(session, JOINED, dict[str, list[str]])
        wanted = {name for entry in inputs for name in joined.get(entry.name, [entry.name])}
        if wanted - known or any(entry.type not in _SHAPES for entry in inputs):
            raise BundleError(
                "bundle.malformed",
                "the compiled model wants inputs that its signature does not have",
                "Register the version again.",
            )
        seen = _metadata(session, KNOWN_VALUES, dict[str, list[str | int]])
        self._feeds = [
            (
                entry.name,
                _join(joined[entry.name], _NUMBERS[entry.type])
                if entry.name in joined
                else _single(entry.name, _SHAPES[entry.type], seen.get(entry.name)),
            )
            for entry in inputs
        ]
        decoder = Decoder(task, signature)
        self._decode = decoder.values if task == "regression" else decoder.probabilities
        self._outputs = [session.get_outputs()[-1].name]
        self._run = session.run

    def predict(self, columns: Columns) -> Outputs:
        """Answers for the rows of ``columns``.

        Raises:
            BundleError: when the model fails on them.
        """
        try:
            inputs = {name: feed(columns) for name, feed in self._feeds}
            scores = self._run(self._outputs, inputs)[0]
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(
                "bundle.failed",
                f"ONNX Runtime could not score these rows: {type(error).__name__}",
                "Compare their types with the model's signature.",
            ) from error
        return self._decode(scores)


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads must not burn the core that the HTTP server needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(
            "bundle.unloadable",
            f"ONNX Runtime {onnxruntime.__version__} cannot load the compiled model",
            "Upgrade onnxruntime to the version of environment.txt.",
        ) from error


def _metadata(session: Any, key: str, kind: type[T]) -> T:
    text = session.get_modelmeta().custom_metadata_map.get(key, "{}")
    return msgspec.json.decode(text, type=kind)


def _join(names: Sequence[str], kind: type[np.floating[Any]]) -> Feed:
    """Many columns of numbers as one (n, k) array: an input of its own would cost each 1 µs."""
    pick, width, wanted = itemgetter(*names), len(names), tuple(names)

    def feed(columns: Columns) -> NDArray[Any]:
        if type(columns) is Table and columns.order == wanted:
            return columns.block.astype(kind, order="C", copy=False)
        parts = np.concatenate(pick(columns), dtype=kind, casting="unsafe")
        return parts.reshape(width, -1).T

    return feed


def _single(name: str, shape: Shape, seen: Sequence[str | int] | None) -> Feed:
    """One column; failing on a value that the original would fail on."""
    if seen is None:
        return lambda columns: shape(columns[name])
    known = frozenset([*seen, None])

    def checked(columns: Columns) -> NDArray[Any]:
        for value in columns[name].tolist():
            if value not in known and value == value:
                raise BundleError(
                    "bundle.unseen_category",
                    f"the column '{name}' holds a category that the model never saw",
                    "Train with an encoder that bears it, such as handle_unknown='ignore'.",
                )
        return shape(columns[name])

    return checked


def _floats(values: Column) -> NDArray[Any]:
    return values.astype(np.float32).reshape(-1, 1)


def _doubles(values: Column) -> NDArray[Any]:
    return values.astype(np.float64).reshape(-1, 1)


def _integers(values: Column) -> NDArray[Any]:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError("null in a column that has none")
    return values.astype(np.int64).reshape(-1, 1)


def _flags(values: Column) -> NDArray[Any]:
    return values.astype(np.bool_).reshape(-1, 1)


def _texts(values: Column) -> NDArray[Any]:
    texts = np.array([NULL_TEXT if value is None else value for value in values], dtype=object)
    return texts.reshape(-1, 1)


_NUMBERS: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}
_SHAPES: dict[str, Shape] = {
    "tensor(float)": _floats,
    "tensor(double)": _doubles,
    "tensor(int64)": _integers,
    "tensor(bool)": _flags,
    "tensor(string)": _texts,
}
