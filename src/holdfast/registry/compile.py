"""Compiling an estimator to ONNX, and proving that it answers as the original does.

Compiling never fails a registration: where it does not work, or parity does not hold, the bundle
is served by the original library and its note says why.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import numpy as np

from holdfast.bundle.columns import Columns
from holdfast.bundle.native import booster_library
from holdfast.bundle.onnx import KNOWN_VALUES, OnnxModel
from holdfast.bundle.predictor import PROBABILITY_TOLERANCE, Outputs
from holdfast.records.signature import Field
from holdfast.registry.converters import (
    first_step,
    mended,
    prepared,
    register_boosters,
)
from holdfast.registry.doubles import narrowed
from holdfast.registry.join import join_numbers
from holdfast.registry.original import Original

MAX_BEYOND = 0.001
MAX_KNOWN = 10_000
TIME_LIMIT = timedelta(minutes=2)
VALUE_TOLERANCE = 1e-4

Numbers = Literal["typed", "float", "double"]


def to_onnx(
    original: Original,
    task: str,
    columns: Columns,
    expected: Outputs,
    *,
    limit: timedelta = TIME_LIMIT,
) -> tuple[bytes | None, str]:
    """The estimator as ONNX, if it answers alike on held-out rows.

    Args:
        original: the fitted estimator, examined.
        task: ``binary``, ``multiclass`` or ``regression``.
        columns: held-out rows.
        expected: what the original answers for them.
        limit: longest the conversion may take.

    Returns:
        The serialised model and the parity that was measured, or ``None`` and why not.
    """
    found: list[tuple[bytes | None, str]] = []

    def work() -> None:
        try:
            found.append(_first_alike(original, task, columns, expected))
        except Exception as error:  # noqa: BLE001 - third-party converters raise anything
            found.append((None, f"cannot be compiled: {_first_line(error)}"))

    # A thread that hangs cannot be killed, only left behind; the process of the job ends soon.
    thread = threading.Thread(target=work, name="to-onnx", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
    if not found:
        return None, f"compiling took longer than {limit.total_seconds():.0f} s"
    return found[0]


def _first_alike(
    original: Original, task: str, columns: Columns, expected: Outputs
) -> tuple[bytes | None, str]:
    fields = {field.name: field for field in original.signature.inputs}
    inputs = [fields[name] for name in original.recipe.names]
    for field in inputs:
        if field.type in ("datetime", "vector"):
            return None, f"cannot be compiled: '{field.name}' is a {field.type}"
        if len(original.known.get(field.name, ())) > MAX_KNOWN:
            return None, f"cannot be compiled: '{field.name}' has too many categories"
    why = ""
    for candidate, numbers in _candidates(original.estimator, len(inputs)):
        try:
            data = _convert(candidate, inputs, task, original.known, numbers)
            actual = OnnxModel(data, task, original.signature).predict(columns)
        except Exception as error:  # noqa: BLE001 - third-party converters raise anything
            why = why or f"cannot be compiled: {_first_line(error)}"
            continue
        alike, note = parity(expected, actual)
        if alike:
            return data, note
        why = note
    return None, why


def _candidates(estimator: Any, width: int) -> Iterator[tuple[Any, Numbers]]:
    """Forms of the estimator that skl2onnx may take, the fastest first, the most exact last."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if booster_library(estimator) == "xgboost":
        estimator = _wrapped_xgboost(estimator)
    form = prepared(estimator)
    forms = [form]
    if not isinstance(first_step(form), ColumnTransformer):
        # skl2onnx gives each column an input of its own; a transformer must join them again.
        join = ColumnTransformer([("all", "passthrough", list(range(width)))])
        join.fit(np.zeros((1, width)))
        forms.insert(0, Pipeline([("columns", join), ("model", form)]))
    for candidate in forms:
        yield candidate, "typed"
        yield candidate, "float"
    for candidate in forms:
        if (exact := narrowed(candidate)) is not None:
            yield exact, "double"


def _wrapped_xgboost(booster: Any) -> Any:
    """A scikit-learn wrapper around a plain booster, which is what the converter takes."""
    from xgboost import XGBClassifier, XGBRegressor

    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    classifier = objective.startswith(("binary:", "multi:"))
    wrapper = XGBClassifier() if classifier else XGBRegressor()
    wrapper.load_model(booster.save_raw("ubj"))
    return wrapper


def _convert(
    estimator: Any,
    inputs: list[Field],
    task: str,
    known: dict[str, list[str | int]],
    numbers: Numbers,
) -> bytes:
    from skl2onnx import convert_sklearn

    opset = register_boosters(estimator)
    types = [(field.name, _input_type(field, numbers)) for field in inputs]
    options = None if task == "regression" else {"zipmap": False}
    with warnings.catch_warnings(), mended():
        warnings.simplefilter("ignore")
        model = convert_sklearn(estimator, initial_types=types, options=options, target_opset=opset)
    join_numbers(model, set(known))
    entry = model.metadata_props.add()
    entry.key, entry.value = KNOWN_VALUES, json.dumps(known)
    data: bytes = model.SerializeToString()
    return data


def _input_type(field: Field, numbers: Numbers) -> Any:
    from skl2onnx.common.data_types import (
        BooleanTensorType,
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    shape = [None, 1]
    if field.type == "string":
        return StringTensorType(shape)
    if numbers == "double":
        return DoubleTensorType(shape)
    if numbers == "typed" and not field.nullable and field.type == "long":
        return Int64TensorType(shape)
    if numbers == "typed" and not field.nullable and field.type == "boolean":
        return BooleanTensorType(shape)
    return FloatTensorType(shape)  # of these, only floats have a null


def parity(expected: Outputs, actual: Outputs) -> tuple[bool, str]:
    """Whether the compiled model may stand in for the original, and a sentence with the numbers.

    Class decisions must be the same but for rows whose scores agree within the tolerance (they
    sit on the decision boundary); at most one row in a thousand may differ by more in score
    (float32 puts a value that lies on a split of a tree on its other side).

    >>> same = Outputs(np.array([1.0, 2.0]), None)
    >>> parity(same, same)
    (True, 'ONNX agrees with the original on 2 held-out rows, largest difference 0')
    """
    rows = len(expected.prediction)
    difference = np.abs(expected.score - actual.score).reshape(rows, -1).max(axis=1, initial=0.0)
    tolerance = _tolerance(expected)
    beyond = ~(difference <= tolerance)
    flipped = np.zeros(rows, dtype=np.bool_)
    if expected.probability is not None:
        flipped = expected.prediction != actual.prediction
    largest = f"largest difference {difference.max(initial=0.0):.2g}"
    if (flipped & beyond).any() or beyond.sum() > MAX_BEYOND * rows:
        return False, (
            f"ONNX disagrees with the original on {int(beyond.sum())} of {rows} held-out rows, "
            f"{largest}"
        )
    note = f"ONNX agrees with the original on {rows} held-out rows, {largest}"
    if beyond.any():
        note += f"; {int(beyond.sum())} rows beyond {PROBABILITY_TOLERANCE:g} lie on a split"
    if flipped.any():
        note += f"; {int(flipped.sum())} rows on the decision boundary change class"
    return True, note


def _tolerance(expected: Outputs) -> float:
    """Probabilities: absolute. Values: a share of their spread, or of their size if constant."""
    if expected.probability is not None:
        return PROBABILITY_TOLERANCE
    spread = float(expected.score.std()) if len(expected.score) else 0.0
    size = float(np.abs(expected.score).max(initial=0.0))
    return VALUE_TOLERANCE * spread if spread > 0 else 1e-6 * size


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), "")[:200]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
