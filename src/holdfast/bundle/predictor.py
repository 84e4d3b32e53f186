"""Opening a bundle, and the one interface behind which every model is run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.bundle.columns import Columns, count, from_values, to_values
from holdfast.bundle.manifest import MODEL_FILE, may_unpickle, read_file, verify
from holdfast.errors import BundleError
from holdfast.records.bundle import BundleManifest
from holdfast.records.signature import Signature

GOLDEN_FILE = "golden.json"
PROBABILITY_TOLERANCE = 1e-4
VALUE_TOLERANCE = 1e-4

_ZERO, _ONE = (
    np.zeros(()),
    np.ones(()),
)  # arrays, because a Python number is made into one each time


class Outputs(NamedTuple):
    """What a model answers for n rows.

    Args:
        prediction: (n,) class labels, or values of a regression.
        probability: binary: (n,) of the positive class; multiclass: (n, k) in the order of
            ``signature.classes``; regression: ``None``.
    """

    prediction: NDArray[np.generic]
    probability: NDArray[np.float64] | None

    @property
    def score(self) -> NDArray[np.float64]:
        """What the gate and the monitors judge: the probability, or the value."""
        if self.probability is not None:
            return self.probability
        return self.prediction.astype(np.float64)


class Predictor(Protocol):
    """A loaded bundle. Not locked: one thread at a time for ``native``."""

    @property
    def manifest(self) -> BundleManifest:
        """What was loaded."""
        ...

    @property
    def kind(self) -> Literal["onnx", "native"]:
        """What runs it."""
        ...

    def predict(self, columns: Columns, rows: int) -> Outputs:
        """Answers for ``rows`` rows; ``columns`` holds each feature of the signature.

        Raises:
            BundleError: when the model fails on these rows.
        """
        ...


class Decoder:
    """Turns the raw scores of a model into :class:`Outputs`, one way for every kind of model."""

    def __init__(self, task: str, signature: Signature) -> None:
        self._task = task
        self._positive = signature.positive
        classes = signature.classes
        if task == "binary" and len(classes) == 2:
            classes = (classes[1 - signature.positive], classes[signature.positive])
        self._labels = labels_array(classes)
        self._single = [self._labels[place : place + 1] for place in range(len(classes))]

    def probabilities(self, scores: NDArray[np.generic]) -> Outputs:
        """Outputs of (n, k) class probabilities in the order of ``signature.classes``."""
        if self._task == "binary":
            if len(scores) == 1:  # one row, as most requests have: without seven calls to NumPy
                share = float(scores.item(self._positive))
                if not 0.0 <= share <= 1.0:
                    share = float(_bounded(scores[:, self._positive])[0])
                return Outputs(self._single[share >= 0.5], np.array([share]))
            probability = _bounded(scores[:, self._positive])
            return Outputs(self._labels.take(probability >= 0.5), probability)
        probability = _bounded(scores)
        return Outputs(self._labels[probability.argmax(axis=1)], probability)

    def values(self, scores: NDArray[np.generic]) -> Outputs:
        """Outputs of the (n,) or (n, 1) values of a regression."""
        values = scores.reshape(-1).astype(np.float64)
        if not np.isfinite(values).all():
            raise not_finite()
        return Outputs(values, None)


def _bounded(scores: NDArray[np.generic]) -> NDArray[np.float64]:
    """Rounding may leave a probability a hair outside [0, 1]; NaN is no answer."""
    probability = np.minimum(np.maximum(scores.astype(np.float64), _ZERO), _ONE)
    flat = probability.ravel()
    squares = flat.dot(flat)  # the cheapest look at all of them: NaN when any is
    if squares != squares:
        raise not_finite()
    return probability


def not_finite() -> BundleError:
    """The error of a model that answers NaN or infinity."""
    return BundleError(
        "bundle.not_finite",
        "the model answered with a number that is not finite",
        "Give the model a step that handles missing values, such as SimpleImputer.",
    )


def labels_array(classes: tuple[bool | int | str, ...]) -> NDArray[np.generic]:
    """Class labels as an array that keeps each label's Python type.

    >>> labels_array(("no", "yes")).dtype
    dtype('O')
    """
    kinds = {type(label) for label in classes}
    if kinds in ({bool}, {int}):
        return np.array(classes)
    array = np.empty(len(classes), dtype=object)
    array[:] = classes
    return array


def open_bundle(
    folder: str | Path,
    *,
    digest: str | None = None,
    key: bytes | None = None,
    allow_pickle: bool = False,
    threads: int = 1,
) -> Predictor:
    """Verifies a bundle, then loads its model.

    Args:
        folder: the bundle.
        digest: the content address it must have.
        key: this installation's key; a pickle is read only when the bundle was signed with it.
        allow_pickle: the operator says this pickle may be read without the key.
        threads: threads one prediction may use.

    Raises:
        BundleError: when it is corrupt, unsafe, or something it needs is not installed.
    """
    path = Path(folder)
    manifest = verify(path, digest)
    if manifest.predictor == "onnx":
        from holdfast.bundle.onnx import OnnxPredictor

        return OnnxPredictor(manifest, read_file(path, manifest, MODEL_FILE), threads=threads)
    from holdfast.bundle.native import load_native

    if manifest.native == "pickle" and not allow_pickle and not may_unpickle(path, key):
        raise BundleError(
            "bundle.pickle_refused",
            f"the model in {path.name} is a pickle that this installation did not make",
            "Reading it runs its code: set HOLDFAST_ALLOW_PICKLE=1 only if you trust its maker.",
        )
    return load_native(path, manifest, threads=threads)


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """``golden.json``: rows, and what the model answered for them when it was registered."""

    columns: dict[str, list[float | int | bool | str | list[float] | None]]
    prediction: list[float | int | bool | str]
    probability: list[float | list[float]] | None = None


def write_golden(folder: Path, columns: Columns, outputs: Outputs) -> None:
    """Writes ``golden.json`` of a bundle that is being made."""
    probability = None if outputs.probability is None else outputs.probability.tolist()
    golden = Golden(
        columns=to_values(columns),
        prediction=outputs.prediction.tolist(),
        probability=probability,
    )
    (folder / GOLDEN_FILE).write_bytes(msgspec.json.encode(golden))


def read_golden(folder: str | Path, manifest: BundleManifest) -> tuple[Columns, Golden]:
    """The golden rows as columns, and the outputs they must have.

    Raises:
        BundleError: when they are missing or malformed.
    """
    data = read_file(Path(folder), manifest, GOLDEN_FILE)
    try:
        golden = msgspec.json.decode(data, type=Golden)
    except msgspec.MsgspecError as error:
        raise BundleError(
            "bundle.malformed", f"{GOLDEN_FILE} cannot be read", "Register the version again."
        ) from error
    return from_values(golden.columns, manifest.signature), golden


def check_golden(predictor: Predictor, folder: str | Path) -> int:
    """Runs the golden rows; returns how many there are.

    Raises:
        BundleError: when an answer differs from the one recorded at registration.
    """
    columns, golden = read_golden(folder, predictor.manifest)
    rows = count(columns)
    outputs = predictor.predict(columns, rows)
    if golden.probability is None:
        expected = np.array(golden.prediction, dtype=np.float64)
        wrong = ~np.isclose(
            outputs.score, expected, rtol=VALUE_TOLERANCE, atol=VALUE_TOLERANCE, equal_nan=True
        )
    else:
        difference = np.abs(outputs.score - np.array(golden.probability, dtype=np.float64))
        wrong = ~(difference.reshape(rows, -1).max(axis=1, initial=0.0) <= PROBABILITY_TOLERANCE)
    if wrong.any():
        raise BundleError(
            "bundle.golden_rows",
            f"{int(wrong.sum())} of {rows} golden rows are answered differently than at "
            "registration",
            "Install the library versions of environment.txt, or train again.",
        )
    return rows
