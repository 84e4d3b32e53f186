"""Looks at what a training callable returned, inside the process that trained it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.errors import UserCodeError
from holdfast.spec import Task
from holdfast.training.protocol import Kind

TRIAL_ROWS = 10
_LIBRARIES: tuple[Kind, ...] = ("xgboost", "lightgbm", "sklearn")


def require_estimator(target: str, estimator: Any) -> None:
    """Refuses what has no ``predict``.

    Raises:
        UserCodeError: ``user.not_estimator``.
    """
    if callable(getattr(estimator, "predict", None)) and not isinstance(estimator, type):
        return
    what = type(estimator).__name__
    if estimator is None:
        fix = "Let it end with 'return model'."
    elif isinstance(estimator, type):
        what, fix = f"the class {estimator.__name__}", "Return a fitted object, not its class."
    else:
        fix = "Return a fitted estimator: an object with a predict method."
    raise UserCodeError(
        "user.not_estimator", f"{target} returned {what}, which has no predict", fix
    )


def try_predict(target: str, estimator: Any, features: Any, task: Task) -> None:
    """Predicts a few rows, so that what cannot predict is found before it is registered.

    Args:
        target: the training callable, for errors.
        estimator: what it returned.
        features: (n, features) frame of the kind it was trained on.
        task: what it must predict.

    Raises:
        UserCodeError: ``user.cannot_predict``; exceptions of the estimator pass through.
    """
    answers = np.asarray(estimator.predict(_as_it_takes(estimator, features)))
    if len(answers) != len(features):
        raise UserCodeError(
            "user.cannot_predict",
            f"what {target} returned gave {len(answers)} predictions for {len(features)} rows",
            "predict must give one value for each row.",
        )
    if task == "regression":
        if answers.dtype.kind not in "fiub" or not np.isfinite(answers.astype(float)).all():
            raise UserCodeError(
                "user.cannot_predict",
                f"what {target} returned predicted values that are not finite numbers",
                "A regression must predict one number for each row.",
            )
    elif has_probabilities(estimator):
        shape = np.asarray(estimator.predict_proba(features)).shape
        if len(shape) != 2 or shape[0] != len(features):
            raise UserCodeError(
                "user.cannot_predict",
                f"predict_proba of what {target} returned gave the shape {shape}",
                "It must give one column for each class.",
            )


def has_probabilities(estimator: Any) -> bool:
    """Whether it answers with probabilities; a plain booster does so by ``predict``."""
    return callable(getattr(estimator, "predict_proba", None))


def is_booster(estimator: Any) -> bool:
    """Whether it is a plain booster of XGBoost or LightGBM."""
    return type(estimator).__name__ == "Booster" and kind_of(estimator) in ("xgboost", "lightgbm")


def kind_of(estimator: Any) -> Kind:
    """The library an estimator is from; subclasses count, pipelines are ``sklearn``.

    >>> kind_of(object())
    'other'
    """
    roots = {base.__module__.partition(".")[0] for base in type(estimator).__mro__}
    return next((library for library in _LIBRARIES if library in roots), "other")


def classes_of(estimator: Any) -> tuple[bool | int | str | float, ...]:
    """``classes_`` as plain values; empty when it has none."""
    classes = getattr(estimator, "classes_", None)
    return () if classes is None else tuple(np.asarray(classes).tolist())


def warnings_of(target: str, estimator: Any, task: Task) -> list[str]:
    """Sentences on what works, but less well than it could."""
    if task == "regression" or has_probabilities(estimator) or is_booster(estimator):
        return []
    sentence = (
        f"what {target} returned has no predict_proba, so its probabilities are 0 or 1: wrap it in "
        "sklearn.calibration.CalibratedClassifierCV for better ones"
    )
    return [sentence]


def pickle_by_value(estimator: Any, root: Path) -> bytes:
    """Pickles an estimator with the project's own code in it, so that no server needs the project.

    Raises:
        UserCodeError: ``user.cannot_pickle``.
    """
    import cloudpickle

    for module in project_modules(root):
        cloudpickle.register_pickle_by_value(module)
    try:
        data: bytes = cloudpickle.dumps(estimator)
    except Exception as error:
        raise UserCodeError(
            "user.cannot_pickle",
            f"the estimator cannot be stored: {type(error).__name__}: {error}",
            "Keep open files, connections, locks and generators out of its attributes.",
        ) from error
    return data


def project_modules(root: Path) -> list[Any]:
    """Imported modules whose file lies in the project and not in an installed package."""
    base = root.resolve()
    installed = [Path(path).resolve() for path in set(sysconfig.get_paths().values())]
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or getattr(module, "__name__", "") == "__main__":
            continue
        path = Path(file).resolve()
        ours = path.is_relative_to(base) and "site-packages" not in path.parts
        # The project may hold the virtual environment, or the other way round.
        inside = [i for i in installed if i.is_relative_to(base) and path.is_relative_to(i)]
        if ours and not inside:
            found.append(module)
    return found


def _as_it_takes(estimator: Any, features: Any) -> Any:
    if is_booster(estimator) and kind_of(estimator) == "xgboost":
        import xgboost

        return xgboost.DMatrix(features, enable_categorical=True)
    return features
