"""Runs the user's callables in processes of their own, with limits on time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl

from holdfast.errors import UserCodeError
from holdfast.spec import Task, format_duration
from holdfast.statistics.draws import Draws
from holdfast.statistics.losses import Floats, Label
from holdfast.training.kept import Kept
from holdfast.training.protocol import (
    DRAWS,
    ESTIMATOR,
    FAILURE,
    REQUEST,
    RESULT,
    ROWS,
    SCORES,
    Action,
    Failure,
    Request,
    write,
)
from holdfast.training.watch import Reason, watch

_TAIL_LINES = 40
_OUT_OF_MEMORY = "Use fewer rows ([retrain] window), a smaller model, or raise [model] memory."


@dataclass(frozen=True, kw_only=True)
class LocalUserCode:
    """The :class:`~holdfast.ports.user_code.UserCode` of one machine.

    A child process gets the project's folder as working directory and first on ``sys.path``, and
    writes all its output, also that of C libraries, to ``log``. It and everything it started are
    gone when a call returns, and it dies with this process.

    Args:
        root: the project's folder.
        log: file the output is appended to.
        features: columns handed to the training callable, in order.
        label: the label's column, handed over after the features.
        task: what is predicted.
        frame_kind: kind of the frame handed over.
        timeout: longest a call may take.
        memory_bytes: most memory the child and its descendants may hold (resident).
        env: set in the child's environment, over this process's own; ``MLFLOW_TRACKING_URI`` and
            ``MLFLOW_RUN_ID`` here let ``mlflow.autolog()`` log into that run.
        base: the child's environment before that; this process's own by default.
        also: further callables that a call makes sure of, without calling them.
        kept: where a call that succeeded leaves its process, and the next finds it.
    """

    root: Path
    log: Path
    features: tuple[str, ...] = ()
    label: str = ""
    task: Task = "binary"
    frame_kind: Literal["pandas", "polars"] = "pandas"
    timeout: timedelta = timedelta(hours=1)
    memory_bytes: int = 8 * 2**30
    env: Mapping[str, str] = field(default_factory=dict)
    base: Mapping[str, str] | None = None
    also: tuple[str, ...] = ()
    kept: Kept | None = None

    def find(self, target: str) -> None:
        """Imports the module of a callable and looks for it there, without calling it.

        Raises:
            UserCodeError: when the module cannot be imported or has no such callable.
        """
        with tempfile.TemporaryDirectory(prefix="holdfast-") as name:
            folder = Path(name)
            self._run(self._request("find", target, folder), folder)

    def load(self, target: str) -> pl.DataFrame:
        """Calls a loader such as ``delays:load`` and returns its frame.

        Raises:
            UserCodeError: with the user's traceback.
        """
        with tempfile.TemporaryDirectory(prefix="holdfast-") as name:
            folder = Path(name)
            self._run(self._request("load", target, folder), folder)
            return pl.read_parquet(folder / ROWS, memory_map=False)

    def train(self, target: str, frame: Path, out: Path) -> None:
        """Calls a training callable on a Parquet file.

        Leaves ``estimator.pkl`` (cloudpickle, with the project's code in it) and ``result.json``
        (:class:`~holdfast.training.protocol.Result`) in ``out``, or nothing.

        Args:
            target: ``module:callable``.
            frame: Parquet file that has the features and the label; no label may be null.
            out: folder for the results; made when missing.

        Raises:
            UserCodeError: with the user's traceback; also on time-out and over-use of memory.
        """
        out.mkdir(parents=True, exist_ok=True)
        for stale in (RESULT, ESTIMATOR):
            (out / stale).unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="holdfast-") as name:
            request = self._request("train", target, out.resolve(), frame.resolve())
            self._run(request, Path(name))

    def score(
        self,
        target: str,
        rows: pl.DataFrame,
        scores: Sequence[Floats],
        *,
        classes: Sequence[Label] = (),
        positive: Label = True,
        seed: int,
        resamples: int = 500,
    ) -> Draws:
        """Asks a metric of the project's own about the answers of one or more models.

        Args:
            target: ``module:callable``; see :mod:`holdfast.training.scoring` for how it is called.
            rows: the held-out rows, with their labels.
            scores: of each model: binary (n,) probability of ``positive``; multiclass (n, k);
                regression (n,) values.
            classes: class labels of the scores.
            positive: the positive class, for binary.
            seed: same seed, same draws.
            resamples: how often the rows are drawn.

        Raises:
            UserCodeError: with the user's traceback; ``user.bad_metric`` when what it returned is
                no metric.
        """
        with tempfile.TemporaryDirectory(prefix="holdfast-") as name:
            folder = Path(name)
            rows.write_parquet(folder / ROWS, compression="lz4")
            np.savez(folder / SCORES, *scores)
            request = self._request("score", target, folder, folder / ROWS)
            asked = {"classes": tuple(classes), "positive": positive}
            request = msgspec.structs.replace(request, **asked, seed=seed, resamples=resamples)
            self._run(request, folder)
            with np.load(folder / DRAWS) as saved:
                values, span = tuple(saved["values"].tolist()), float(saved["span"])
                return Draws(target, rows.height, values, saved["drawn"], span)

    def _request(
        self, action: Action, target: str, out: Path, frame: Path | None = None
    ) -> Request:
        return Request(
            action=action,
            target=target,
            root=str(self.root.resolve()),
            out=str(out),
            parent=os.getpid(),
            frame="" if frame is None else str(frame),
            frame_kind=self.frame_kind,
            task=self.task,
            also=self.also,
            features=self.features,
            label=self.label,
            log=str(self.log.resolve()),
            env=dict(self.env),
        )

    def _run(self, request: Request, folder: Path) -> None:
        write(request, folder / REQUEST)
        result = Path(request.out) / RESULT
        self.log.parent.mkdir(parents=True, exist_ok=True)
        begin = self.log.stat().st_size if self.log.exists() else 0
        process, orders = (self.kept and self.kept.take(str(folder))) or self._start(folder)
        reason = watch(
            process,
            timeout=self.timeout.total_seconds(),
            memory=self.memory_bytes,
            finished=result.exists,
            keep=orders >= 0,
        )
        if orders >= 0:
            if self.kept is not None and result.exists() and process.returncode is None:
                self.kept.put(process, orders)
            else:
                os.close(orders)
        # A crash while a library cleans up after itself does not undo a finished result.
        if result.exists():
            return
        if (folder / FAILURE).exists():
            failure = Failure.from_json((folder / FAILURE).read_bytes())
            raise UserCodeError(failure.code, failure.message, failure.fix, failure.traceback)
        raise self._ended(request.target, reason, process.returncode, begin)

    def _start(self, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
        """A new process that does the request in ``folder``, and the pipe for further ones: -1
        when it is to end.
        """
        # -P: the project's files must not shadow Holdfast's own imports.
        command = [sys.executable, "-P", "-m", "holdfast.training.child", str(folder)]
        read, orders = os.pipe() if self.kept is not None else (-1, -1)
        base = os.environ if self.base is None else self.base
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command if read < 0 else [*command, str(read)],
                cwd=self.root,
                env={**_DEFAULTS, **base, **_ENVIRONMENT, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if read < 0 else (read,),
            )
        if read >= 0:
            os.close(read)
        return process, orders

    def _ended(self, target: str, reason: Reason, status: int, begin: int) -> UserCodeError:
        """The error of a process that left no answer."""
        tail = self._tail(begin)
        if reason == "timeout":
            return UserCodeError(
                "user.timeout",
                f"{target} took longer than {format_duration(self.timeout)} and was stopped",
                "Make it faster, or raise [model] timeout.",
                tail,
            )
        if reason == "memory":
            limit = f"{self.memory_bytes / 2**30:.3g} GiB"
            return UserCodeError(
                "user.memory",
                f"{target} took more than {limit} of memory and was stopped",
                _OUT_OF_MEMORY,
                tail,
            )
        if status < 0:
            return _crashed(target, -status, tail)
        return UserCodeError(
            "user.exited",
            f"{target} left its process with exit status {status} before it returned",
            "Return the result; do not call os._exit, and look at the output before it.",
            tail,
        )

    def _tail(self, begin: int) -> str:
        """The last lines that this call wrote."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(begin, size - 64 * 1024))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


# Threads of OpenMP that wait by spinning take the cores of a server beside them, and each other's:
# fitting a gradient boosting on a busy machine took ten times as long.
_DEFAULTS = {"OMP_WAIT_POLICY": "PASSIVE"}

# Output is not lost when the process is killed, and a crash in C shows where it was.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


def _crashed(target: str, number: int, tail: str) -> UserCodeError:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    fix = "Look at the library that crashed; the output has the place."
    if number == signal.SIGKILL:
        fix = f"Linux does that when the machine runs out of memory. {_OUT_OF_MEMORY}"
    return UserCodeError("user.crashed", f"{target} was killed by {name}", fix, tail)
