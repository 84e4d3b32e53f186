"""The process the user's code runs in: ``python -P -m holdfast.training.child FOLDER [PIPE]``.

With the number of a pipe it stays after a request that succeeded, and does the next one, in the
folder that the pipe names; it ends when the pipe does.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from holdfast.errors import UserCodeError
from holdfast.training import estimator as estimators
from holdfast.training.boundary import find_callable, guarded
from holdfast.training.protocol import (
    DRAWS,
    ESTIMATOR,
    FAILURE,
    REQUEST,
    RESULT,
    ROWS,
    SCORES,
    Failure,
    Request,
    Result,
    write,
)

if TYPE_CHECKING:
    import pandas as pd

_PR_SET_PDEATHSIG = 1


def main(folder: Path, orders: int | None = None) -> int:
    """Runs one request after the other; the first that fails is the last."""
    status = run(folder)
    if orders is not None:
        with os.fdopen(orders) as pipe:
            while status == 0 and (line := pipe.readline()):
                status = run(Path(line.rstrip("\n")))
    return status


def run(folder: Path) -> int:
    """Runs one request; leaves ``result.json`` in its ``out`` or ``failure.json`` in its folder."""
    request = Request.from_json((folder / REQUEST).read_bytes())
    end_with(request.parent)
    os.environ.update(request.env)
    if request.log:
        _write_to(Path(request.log))
    # Only now: until here the project's files must not stand in for Holdfast's own imports.
    if request.root not in sys.path:
        sys.path.insert(0, request.root)
    sys.argv = [request.target]
    try:
        for target in request.also:
            find_callable(target, Path(request.root))
        result = _ACTIONS[request.action](request)
    except UserCodeError as error:
        sys.stderr.write(f"{error.traceback or error}\n")
        failure = Failure(
            code=error.code, message=error.message, fix=error.fix, traceback=error.traceback
        )
        write(failure, folder / FAILURE)
        return 1
    write(result, Path(request.out) / RESULT)
    return 0


def _write_to(log: Path) -> None:
    """Sends all output, also that of C libraries, to another file."""
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def end_with(parent: int) -> None:
    """Lets Linux kill this process when its parent dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os.kill(os.getpid(), signal.SIGKILL)


def _find(request: Request) -> Result:
    find_callable(request.target, Path(request.root))
    return Result()


def _load(request: Request) -> Result:
    target = request.target
    function = find_callable(target, Path(request.root))
    started = time.monotonic()
    loaded = guarded(target, function)
    seconds = time.monotonic() - started
    frame = _as_polars(target, loaded)
    try:
        frame.write_parquet(Path(request.out) / ROWS, compression="lz4")
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise UserCodeError(
            "user.bad_frame",
            f"the frame of {target} cannot be stored: {error}",
            "Give every column one type: numbers, booleans, text or times.",
        ) from error
    return Result(seconds=seconds, peak_memory=_peak_memory())


def _as_polars(target: str, loaded: Any) -> pl.DataFrame:
    """A Polars frame of a pandas, Polars or lazy Polars one."""
    if isinstance(loaded, pl.LazyFrame):
        loaded = guarded(target, loaded.collect)
    if isinstance(loaded, pl.DataFrame):
        return loaded
    if type(loaded).__module__.partition(".")[0] == "pandas" and hasattr(loaded, "columns"):
        return _from_pandas(target, loaded)
    raise UserCodeError(
        "user.not_frame",
        f"{target} returned {type(loaded).__name__}, not a frame",
        "Return a pandas or Polars DataFrame.",
    )


def _from_pandas(target: str, frame: pd.DataFrame) -> pl.DataFrame:
    columns = []
    for name in frame.columns:
        try:
            columns.append(pl.Series(str(name), pl.from_pandas(frame[name])))
        except Exception as error:
            raise UserCodeError(
                "user.bad_frame",
                f"column '{name}' of the frame of {target} mixes types: {error}",
                "Give every column one type: numbers, booleans, text or times.",
            ) from error
    return pl.DataFrame(columns)


def _train(request: Request) -> Result:
    target = request.target
    function = find_callable(target, Path(request.root))
    frame, trial = _training_frames(request)
    mlflow_run = os.environ.get("MLFLOW_RUN_ID")  # MLflow takes it out when it resumes the run
    started = time.monotonic()
    fitted = guarded(target, lambda: function(frame))
    seconds = time.monotonic() - started
    estimators.require_estimator(target, fitted)
    _try(target, fitted, trial, request)
    data = estimators.pickle_by_value(fitted, Path(request.root))
    (Path(request.out) / ESTIMATOR).write_bytes(data)
    warnings = estimators.warnings_of(target, fitted, request.task)
    for sentence in warnings:
        sys.stderr.write(f"warning: {sentence}\n")
    return Result(
        kind=estimators.kind_of(fitted),
        type=type(fitted).__name__,
        classes=estimators.classes_of(fitted) if request.task != "regression" else (),
        probabilities=estimators.has_probabilities(fitted),
        seconds=seconds,
        peak_memory=_peak_memory(),
        warnings=tuple(warnings),
        mlflow_run=mlflow_run,
    )


def _score(request: Request) -> Result:
    from holdfast.training.scoring import Known, score

    function = find_callable(request.target, Path(request.root))
    rows = _whole_labels(pl.read_parquet(request.frame), request)
    with np.load(Path(request.out) / SCORES) as saved:
        scores = tuple(saved[name] for name in saved.files)
    known = Known(
        rows, rows[request.label].to_numpy(), scores, request.task, request.classes,
        request.positive, _frame_of(request),
    )  # fmt: skip
    started = time.monotonic()
    draws = score(request.target, function, known, seed=request.seed, resamples=request.resamples)
    np.savez(Path(request.out) / DRAWS, values=draws.values, drawn=draws.drawn, span=draws.span)
    return Result(seconds=time.monotonic() - started, peak_memory=_peak_memory())


def _frame_of(request: Request) -> Callable[[pl.DataFrame], Any]:
    return pl.DataFrame.to_pandas if request.frame_kind == "pandas" else pl.DataFrame.clone


def _whole_labels(rows: pl.DataFrame, request: Request) -> pl.DataFrame:
    """Classes that a gap has made floats, as the integers they are."""
    label = rows.get_column(request.label)
    if request.task != "regression" and label.dtype.is_float():
        return rows.with_columns(label.cast(pl.Int64))
    return rows


def _training_frames(request: Request) -> tuple[Any, Any]:
    """The frame to train on (features and label), and a few rows of features to predict."""
    names = [*request.features, request.label]
    rows = _whole_labels(pl.read_parquet(request.frame, columns=names).select(names), request)
    # Like every row that will be asked for, the trial rows come without the label.
    trial = rows.select(request.features).head(estimators.TRIAL_ROWS)
    if request.frame_kind == "polars":
        return rows, trial
    return rows.to_pandas(), trial.to_pandas()


def _try(target: str, fitted: Any, trial: Any, request: Request) -> None:
    try:
        guarded(target, lambda: estimators.try_predict(target, fitted, trial, request.task))
    except UserCodeError as error:
        if error.code != "user.raised":
            raise
        raise UserCodeError(
            "user.cannot_predict",
            f"what {target} returned cannot predict: {error.message.partition(' raised ')[2]}",
            "It must predict a frame of the features alone, in the order of [data] features.",
            error.traceback,
        ) from error


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB


_ACTIONS = {"find": _find, "load": _load, "train": _train, "score": _score}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
