"""Running the original estimator, in the library it was trained with."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.bundle.columns import Columns
from holdfast.bundle.frame import FRAME_FILE, FrameRecipe
from holdfast.bundle.manifest import read_file
from holdfast.bundle.predictor import Decoder, Outputs
from holdfast.errors import BundleError
from holdfast.records.bundle import BundleManifest
from holdfast.records.signature import Signature

FILES = {
    "pickle": "native/estimator.pkl",
    "xgboost": "native/model.ubj",
    "lightgbm": "native/model.txt",
}
_EXTRAS = {"xgboost": "holdfast[xgboost]", "lightgbm": "holdfast[lightgbm]"}

Score = Callable[[Any], NDArray[Any]]


class NativeModel:
    """An estimator behind columns in, :class:`Outputs` out.

    Args:
        estimator: anything with ``predict``, and ``predict_proba`` for probabilities; or a
            booster of XGBoost or LightGBM.
        recipe: the frame it takes.
        task: ``binary``, ``multiclass`` or ``regression``.
        signature: its columns and classes.
        threads: threads of one prediction, for boosters.

    A classifier without ``predict_proba`` answers with probability 0 or 1: scores of a
    ``decision_function`` are not probabilities and are not passed off as such.
    """

    def __init__(
        self,
        estimator: Any,
        recipe: FrameRecipe,
        task: str,
        signature: Signature,
        *,
        threads: int = 1,
    ) -> None:
        self._recipe = recipe
        self._classes = signature.classes
        decoder = Decoder(task, signature)
        self._decode = decoder.values if task == "regression" else self._probabilities(decoder)
        self._score = self._scorer(estimator, task, threads)

    def predict(self, columns: Columns) -> Outputs:
        """Answers for the rows of ``columns``.

        Raises:
            BundleError: when the model fails on them.
        """
        frame = self._recipe.build(columns)
        try:
            scores = self._score(frame)
        except Exception as error:
            raise BundleError(
                "bundle.failed",
                f"the model could not score these rows: {type(error).__name__}",
                "Run its predict on such rows; 'holdfast check' shows the traceback.",
            ) from error
        return self._decode(scores)

    def _probabilities(self, decoder: Decoder) -> Callable[[NDArray[Any]], Outputs]:
        wanted = len(self._classes)

        def decode(scores: NDArray[Any]) -> Outputs:
            if wanted == 2 and (scores.ndim == 1 or scores.shape[1] == 1):
                flat = scores.reshape(-1)
                scores = np.stack([1.0 - flat, flat], axis=1)
            if scores.ndim != 2 or scores.shape[1] != wanted:
                raise BundleError(
                    "bundle.shape",
                    f"the model answered with shape {scores.shape}, not one column a class",
                    f"predict_proba must give {wanted} columns, in the order of classes_.",
                )
            return decoder.probabilities(scores)

        return decode

    def _scorer(self, estimator: Any, task: str, threads: int) -> Score:
        library = booster_library(estimator)
        if library == "xgboost":
            return _xgboost_scorer(estimator, threads)
        if library == "lightgbm":
            return lambda rows: np.asarray(estimator.predict(rows, num_threads=threads))
        if task == "regression":
            return lambda rows: np.asarray(estimator.predict(rows))
        if hasattr(estimator, "predict_proba"):
            return lambda rows: np.asarray(estimator.predict_proba(rows))
        index = {label: position for position, label in enumerate(self._classes)}

        def certain(rows: Any) -> NDArray[Any]:
            labels = np.asarray(estimator.predict(rows)).reshape(-1).tolist()
            return np.eye(len(index))[[index[label] for label in labels]]

        return certain


class NativePredictor:
    """A bundle whose model runs in its own library; one thread at a time."""

    kind: Literal["native"] = "native"

    def __init__(self, manifest: BundleManifest, model: NativeModel) -> None:
        self.manifest = manifest
        self._model = model

    def predict(self, columns: Columns, rows: int) -> Outputs:  # noqa: ARG002
        """Answers for the rows of ``columns``.

        Raises:
            BundleError: when the model fails on them.
        """
        return self._model.predict(columns)


def booster_library(estimator: Any) -> Literal["xgboost", "lightgbm"] | None:
    """Which library's plain ``Booster`` this is, if it is one."""
    kind = type(estimator)
    root = kind.__module__.partition(".")[0]
    if kind.__name__ != "Booster" or root not in ("xgboost", "lightgbm"):
        return None
    return "xgboost" if root == "xgboost" else "lightgbm"


def load_native(folder: Path, manifest: BundleManifest, *, threads: int = 1) -> NativePredictor:
    """Loads the original estimator of a verified bundle; the caller has settled trust in pickle.

    Raises:
        BundleError: when a library is missing or the model cannot be loaded.
    """
    recipe = FrameRecipe.from_json(read_file(folder, manifest, FRAME_FILE))
    data = read_file(folder, manifest, FILES[manifest.native])
    estimator = load_estimator(data, manifest.native)
    _limit_threads(estimator, threads)
    model = NativeModel(estimator, recipe, manifest.task, manifest.signature, threads=threads)
    return NativePredictor(manifest, model)


def _limit_threads(estimator: Any, threads: int) -> None:
    """A forest that starts a pool of threads for one row is slower, and starves the server."""
    try:
        parameters = estimator.get_params()
        wanted = {
            name: threads
            for name, value in parameters.items()
            if name.split("__")[-1] == "n_jobs" and value is not None
        }
        if wanted:
            estimator.set_params(**wanted)
    except Exception:  # noqa: BLE001 - an estimator of the user's own need not have parameters
        return


def load_estimator(data: bytes, kind: Literal["pickle", "xgboost", "lightgbm"]) -> Any:
    """Deserialises an estimator or booster. With ``pickle`` this runs code of its maker.

    Raises:
        BundleError: when a library is missing or the data cannot be loaded.
    """
    try:
        if kind == "xgboost":
            import xgboost

            return xgboost.Booster(model_file=bytearray(data))
        if kind == "lightgbm":
            import lightgbm

            return lightgbm.Booster(model_str=data.decode())
        return pickle.loads(data)
    except ImportError as error:
        root = (error.name or "a module").partition(".")[0]
        raise BundleError(
            "bundle.missing_library",
            f"the model needs {root}, which is not installed here",
            f"Run: pip install '{_EXTRAS.get(root, root)}' (environment.txt has the versions).",
        ) from error
    except Exception as error:
        raise BundleError(
            "bundle.unloadable",
            f"the {kind} model cannot be loaded: {type(error).__name__}",
            "Install the library versions of environment.txt.",
        ) from error


def _xgboost_scorer(booster: Any, threads: int) -> Score:
    import xgboost

    booster.set_param({"nthread": threads})
    try:
        rounds = (0, int(booster.best_iteration) + 1)
    except AttributeError:
        rounds = (0, 0)

    def score(rows: Any) -> NDArray[Any]:
        if isinstance(rows, np.ndarray):
            return np.asarray(booster.inplace_predict(rows, iteration_range=rounds))
        matrix = xgboost.DMatrix(rows, enable_categorical=True, nthread=threads)
        return np.asarray(booster.predict(matrix, iteration_range=rounds))

    return score
