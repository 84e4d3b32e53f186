"""Bounded losses in [0, 1], one a row, and the labels they are computed from.

A bounded loss is what the gate's slices, the release and the monitors compare: each row counts at
most 1, so one absurd answer cannot carry a mean, and the e-processes stay valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from holdfast.errors import DataError
from holdfast.spec import Task

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Label = bool | int | str

_SUM_TOLERANCE = 1e-3
_RANGE_TOLERANCE = 1e-6


def bounded_loss(
    task: Task,
    truth: Array,
    score: Array,
    *,
    classes: Sequence[Label] = (),
    positive: Label = 1,
    scale: float = 1.0,
) -> Floats:
    """One loss a row, in [0, 1]; smaller is better.

    Binary: the Brier score (p − y)². Multiclass: half the Brier score, ½·Σₖ(pₖ − yₖ)² (Brier 1950),
    which for two classes is the same number. Regression: min(|error| / scale, 1).

    Args:
        task: what is predicted.
        truth: (n,) raw labels, or true values.
        score: binary: (n,) probability of ``positive``; multiclass: (n, k) in the order of
            ``classes``; regression: (n,) predicted values.
        classes: class labels; needed for multiclass.
        positive: label (not index) of the positive class, for binary.
        scale: regression: the error that counts as loss 1, in the unit of the label.

    Returns:
        (n,) losses.

    Raises:
        DataError: when labels are missing or unknown, or a score is no probability.

    >>> bounded_loss("binary", np.array(["yes", "no"]), np.array([0.5, 0.1]), positive="yes")
    array([0.25, 0.01])
    >>> bounded_loss("regression", np.array([10.0, 10.0]), np.array([13.0, 99.0]), scale=6.0)
    array([0.5, 1. ])
    """
    loss: Floats
    if task == "binary":
        hit = positives(truth, positive, classes)
        loss = np.square(probabilities(score, hit.size) - hit)
        return loss
    if task == "multiclass":
        index = class_index(truth, classes)
        wide = probability_matrix(score, index.size, len(classes))
        own = np.take_along_axis(wide, index[:, None], axis=1)[:, 0]
        squares = np.square(wide).sum(axis=1) - np.square(own) + np.square(own - 1.0)
        loss = np.minimum(squares / 2.0, 1.0)
        return loss
    if not scale > 0:
        raise DataError(
            "statistics.bad_scale",
            f"the scale of the loss is {scale}, not above 0",
            "Give the spread of the label, such as its interquartile range.",
        )
    true, predicted = values(truth, score)
    loss = np.minimum(np.abs(true - predicted) / scale, 1.0)
    return loss


def positives(truth: Array, positive: Label, classes: Sequence[Label] = ()) -> Floats:
    """(n,) 1.0 where the label is the positive class, else 0.0.

    Raises:
        DataError: when a label is missing, when there are more than two different ones, or when
            ``positive`` is not among ``classes``.

    >>> positives(np.array([True, False]), 1)
    array([1., 0.])
    """
    if classes and positive not in classes:
        raise DataError(
            "statistics.unknown_class",
            f"the positive class {positive!r} is not among the classes {_listed(classes)}",
            "Mend [model] positive in holdfast.toml.",
        )
    found, inverse = _distinct(truth)
    if len(found) > 2 or (len(found) == 2 and classes and not set(found) <= set(classes)):
        raise DataError(
            "statistics.unknown_class",
            f"a binary label has two values, but here are {_listed(found)}",
            "Take out the rows with other labels, or set [model] task to multiclass.",
        )
    hits = np.array([value == positive for value in found], dtype=np.float64)
    return hits[inverse] if found else np.zeros(0)


def class_index(truth: Array, classes: Sequence[Label]) -> Indices:
    """(n,) index in ``classes`` of each label.

    Raises:
        DataError: when a label is missing or not among ``classes``.

    >>> class_index(np.array(["b", "a", "b"]), ("a", "b")).tolist()
    [1, 0, 1]
    """
    found, inverse = _distinct(truth)
    order = {label: position for position, label in enumerate(classes)}
    unknown = [value for value in found if value not in order]
    if unknown:
        raise DataError(
            "statistics.unknown_class",
            f"the labels {_listed(unknown)} are not among the model's classes {_listed(classes)}",
            "Train again with rows of every class.",
        )
    places = np.array([order[value] for value in found], dtype=np.intp)
    return places[inverse] if found else np.zeros(0, dtype=np.intp)


def values(truth: Array, score: Array) -> tuple[Floats, Floats]:
    """True and predicted values of a regression as finite float64, both (n,).

    Raises:
        DataError: when one of them is missing or not a finite number.
    """
    true = _numbers(truth, "statistics.missing_label", "label")
    predicted = _numbers(score, "statistics.bad_score", "prediction")
    if true.shape != predicted.shape:
        raise _shape(predicted.shape, true.shape)
    return true, predicted


def probabilities(score: Array, n: int) -> Floats:
    """Probabilities of the positive class, checked: (n,), finite, within [0, 1].

    Raises:
        DataError: when they are not.
    """
    result = _numbers(score, "statistics.bad_score", "score")
    if result.shape != (n,):
        raise _shape(result.shape, (n,))
    if n and (result.min() < -_RANGE_TOLERANCE or result.max() > 1 + _RANGE_TOLERANCE):
        raise DataError(
            "statistics.bad_score",
            f"scores from {result.min():.4g} to {result.max():.4g} are no probabilities",
            "Let the estimator answer predict_proba, or wrap it in CalibratedClassifierCV.",
        )
    return np.clip(result, 0.0, 1.0)


def probability_matrix(score: Array, n: int, k: int) -> Floats:
    """Probabilities of the classes, checked: (n, k), finite, rows that sum to 1.

    Raises:
        DataError: when they are not.
    """
    result = _numbers(score, "statistics.bad_score", "score")
    if result.shape != (n, k):
        raise _shape(result.shape, (n, k))
    off = np.abs(result.sum(axis=1) - 1.0).max(initial=0.0)
    if n and (off > _SUM_TOLERANCE or result.min() < -_RANGE_TOLERANCE):
        raise DataError(
            "statistics.bad_score",
            f"the probabilities of a row do not sum to 1 (off by up to {off:.4g})",
            "Let the estimator answer predict_proba.",
        )
    return np.clip(result, 0.0, 1.0)


def _distinct(truth: Array) -> tuple[list[Any], Indices]:
    """The different labels as plain Python values, and each row's place among them."""
    labels = np.asarray(truth)
    missing = labels.dtype.kind == "f" and bool(np.isnan(labels).any())
    if labels.dtype.kind == "O":
        # NaN is the only value that differs from itself.
        missing = any(value is None or value != value for value in labels.tolist())
    if missing:
        raise DataError(
            "statistics.missing_label", "some labels are missing", "Take out rows without a label."
        )
    if labels.dtype.kind == "O":
        places: dict[Any, int] = {}
        inverse = [places.setdefault(value, len(places)) for value in labels.tolist()]
        return list(places), np.array(inverse, dtype=np.intp)
    unique, back = np.unique(labels, return_inverse=True)
    return unique.tolist(), back.astype(np.intp)


def _numbers(array: Array, code: str, what: str) -> Floats:
    try:
        result = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(code, f"a {what} is not a number") from None
    bad = int(np.count_nonzero(~np.isfinite(result)))
    if bad:
        raise DataError(code, f"{bad:,} of {result.size:,} {what}s are not finite numbers")
    return result


def _shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> DataError:
    return DataError("statistics.shape", f"the scores have shape {found}, not {wanted}")


def _listed(labels: Sequence[Any], most: int = 5) -> str:
    shown = ", ".join(repr(label) for label in labels[:most])
    return f"{shown}, … ({len(labels)} in all)" if len(labels) > most else shown
