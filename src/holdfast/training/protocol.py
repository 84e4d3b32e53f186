"""What the process that runs the user's code is told, and what it answers: JSON files.

The files lie in a folder that only this user can read. ``result.json`` is written last and in one
move, so whoever finds it finds everything else too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from holdfast.records.base import Record
from holdfast.spec import Task

REQUEST, RESULT, FAILURE = "request.json", "result.json", "failure.json"
ROWS, ESTIMATOR, SCORES, DRAWS = "rows.parquet", "estimator.pkl", "scores.npz", "draws.npz"

Action = Literal["find", "load", "train", "score"]
Kind = Literal["sklearn", "xgboost", "lightgbm", "other"]


class Request(Record, frozen=True, kw_only=True):
    """What to run.

    Args:
        target: ``module:callable``.
        frame: Parquet file of the training rows, or of those to score; empty when loading.
        out: folder for the results.
        parent: process id of the caller; the child ends when it does.
        also: further callables that must be there; they are not called.
        log: file that output goes to from now on; empty leaves it where it goes.
        env: set in the environment before the callable is found.
        classes: class labels of the scores.
        positive: the positive class, for binary.
        seed: of the draws of the rows that are scored.
        resamples: how many draws.
    """

    action: Action
    target: str
    root: str
    out: str
    parent: int
    frame: str = ""
    frame_kind: Literal["pandas", "polars"] = "pandas"
    task: Task = "binary"
    features: tuple[str, ...] = ()
    label: str = ""
    also: tuple[str, ...] = ()
    log: str = ""
    env: dict[str, str] = {}
    classes: tuple[bool | int | str, ...] = ()
    positive: bool | int | str = True
    seed: int = 0
    resamples: int = 500


class Result(Record, frozen=True, kw_only=True):
    """What came out of a training: ``result.json`` beside ``estimator.pkl``.

    Args:
        kind: the library of the estimator; a pipeline is ``sklearn``.
        type: its class, for people.
        classes: its ``classes_`` as plain values, in its order; empty for a regression.
        probabilities: whether it has ``predict_proba``.
        seconds: time the user's callable took.
        peak_memory: most bytes the process itself held.
        warnings: sentences for people.
        mlflow_run: the MLflow run the caller named in the environment, if any.
    """

    kind: Kind = "other"
    type: str = ""
    classes: tuple[bool | int | str | float, ...] = ()
    probabilities: bool = False
    seconds: float = 0.0
    peak_memory: int = 0
    warnings: tuple[str, ...] = ()
    mlflow_run: str | None = None


class Failure(Record, frozen=True, kw_only=True):
    """The user's error, as :class:`~holdfast.errors.UserCodeError` takes it."""

    code: str
    message: str
    fix: str = ""
    traceback: str = ""


def write(record: Record, path: Path) -> None:
    """Writes a record's JSON in one move."""
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.format(record.to_json(), indent=2))
    part.replace(path)


def read_result(out: Path) -> Result:
    """What the last training that finished in ``out`` said of its estimator.

    Raises:
        FileNotFoundError: when none finished.
    """
    return Result.from_json((out / RESULT).read_bytes())
