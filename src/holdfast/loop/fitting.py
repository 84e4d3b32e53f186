"""The middle of a training job: fit in a process of its own, judge, pack into a bundle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from holdfast.bundle.columns import count, from_polars
from holdfast.bundle.predictor import Outputs, open_bundle
from holdfast.bundle.redaction import Redaction, policy_of
from holdfast.errors import HoldfastError, UserCodeError
from holdfast.loop.container import Container
from holdfast.loop.own_metric import own_metric
from holdfast.loop.recorded import recorded_columns
from holdfast.monitoring.freeze import freeze, loss_scale
from holdfast.records import (
    BundleManifest,
    DatasetVersion,
    Job,
    Metric,
    Reference,
    Run,
    Signature,
    digest,
)  # fmt: skip
from holdfast.registry.build import build_bundle
from holdfast.spec import Spec
from holdfast.statistics.draws import interval_of
from holdfast.statistics.losses import bounded_loss
from holdfast.training.code import code_version
from holdfast.training.evaluate import evaluate, metrics_of
from holdfast.training.kept import Kept
from holdfast.training.lock import environment_lock
from holdfast.training.user_code import LocalUserCode

ESTIMATOR = "estimator.pkl"
_STOPPED = ("user.timeout", "user.memory")


class Rows(NamedTuple):
    """A dataset version, split by time."""

    dataset: DatasetVersion
    train: pl.DataFrame
    test: pl.DataFrame


class Fitted(NamedTuple):
    """What registration needs: the sealed bundle and the finished run."""

    manifest: BundleManifest
    bundle: Path
    run: Run


class Fitting:
    """Fits one training job; each step is skipped when its result is there.

    Args:
        container: the wiring.
        spec: of the model.
        job: the training job.
        cut: the moment whose knowledge this training has.
        tell: hears of each step.
        kept: the process that loaded the data, if it did.
    """

    def __init__(
        self,
        container: Container,
        spec: Spec,
        job: Job,
        cut: datetime,
        tell: Callable[[str], None],
        kept: Kept | None = None,
    ) -> None:
        self._container = container
        self._spec = spec
        self._job = job
        self._cut = cut
        self._tell = tell
        self._kept = kept
        self._folder = container.settings.folder(f"jobs/{job.id}")
        self._lock = environment_lock()
        self._stopped: UserCodeError | None = None

    def prepare(self) -> None:
        """Has the project imported where it will be trained: that takes seconds, as it does to make
        a run in MLflow meanwhile. Nothing to do when it loaded the data, or is fitted.
        """
        if self._kept is None or self._kept.waits or (self._folder / "model" / ESTIMATOR).exists():
            return
        try:
            self._user_code({}).find(self._spec.model.train)
        except UserCodeError as error:  # the training will say it, and its run keep it
            self._stopped = error if error.code in _STOPPED else None

    def fit(self, rows: Rows, run_id: str) -> Fitted:
        """Trains, makes the bundle, and evaluates it as the server will run it.

        Args:
            rows: what to train on and to evaluate with.
            run_id: the MLflow run of this job.

        Raises:
            UserCodeError: when the training callable failed; the run is marked as failed.
        """
        registry = self._container.registry
        try:
            self._train(rows, run_id)
            manifest = self._bundle(rows, run_id)
            metrics = self._evaluate(rows)
        except HoldfastError:
            registry.finish_run(run_id, at=self._container.wall(), failed=True)
            raise
        run = self._run(rows, run_id, metrics)
        registry.finish_run(run_id, at=self._container.wall(), metrics=metrics)
        return Fitted(manifest, self._folder / "bundle", run)

    def _train(self, rows: Rows, run_id: str) -> None:
        out = self._folder / "model"
        if (out / ESTIMATOR).exists():
            return
        self._tell(f"training on {rows.train.height:,} rows")
        frame = self._folder / "train.parquet"
        spec = self._spec
        rows.train.select(*spec.data.features, spec.data.label).write_parquet(frame)
        mlflow = {
            "MLFLOW_TRACKING_URI": self._container.settings.tracking_uri,
            "MLFLOW_RUN_ID": run_id,
        }
        try:
            if self._stopped is not None:  # it would take as long again
                raise self._stopped
            self._user_code(mlflow).train(spec.model.train, frame, out)
        finally:
            if self._kept is not None:
                self._kept.end()  # it holds the data, and there is no further call
            log = self._folder / "train.log"
            if log.exists():
                text = log.read_text(errors="replace")
                self._container.registry.log_artifact_text(run_id, text, "train.log")

    def _user_code(self, environment: dict[str, str]) -> LocalUserCode:
        log = self._folder / "train.log"
        return self._container.user_code(self._spec, log, environment, self._kept)

    def _bundle(self, rows: Rows, run_id: str) -> BundleManifest:
        self._tell("making the bundle")
        return build_bundle(
            self._folder / "bundle",
            estimator_pickle=self._folder / "model" / ESTIMATOR,
            train=rows.train,
            test=rows.test,
            spec=self._spec,
            reference=lambda outputs, signature: self._reference(rows.test, outputs, signature),
            run=run_id,
            dataset=rows.dataset.id,
            lock=self._lock,
            now=self._cut,
            key=self._container.key,
        )

    def _reference(self, test: pl.DataFrame, outputs: Outputs, signature: Signature) -> Reference:
        """What the monitor will hold production against."""
        spec, task = self._spec, self._spec.model.task
        labels = test[spec.data.label].to_numpy()
        classes = signature.classes
        positive = classes[signature.positive] if task == "binary" else 1
        score = outputs.score
        if task == "regression":
            truth: Any = labels.astype(np.float64)
            scale = loss_scale(truth, score)
        else:
            truth = labels == (positive if task == "binary" else outputs.prediction)
            scale = 1.0
        losses = bounded_loss(task, labels, score, classes=classes, positive=positive, scale=scale)
        shown = score if score.ndim == 1 else score.max(axis=1)
        redaction = Redaction(policy_of(spec.record), self._container.key)
        recorded = recorded_columns(test, spec.data.features, signature, redaction)
        return freeze(
            recorded.with_columns(prediction=pl.Series(shown)),
            truth,
            losses,
            task=task,
            features=recorded.columns,
            slices=spec.monitor.slices,
            model=spec.model.name,
            at=test[spec.data.time],
        )

    def _evaluate(self, rows: Rows) -> tuple[Metric, ...]:
        self._tell(f"evaluating on {rows.test.height:,} held-out rows")
        spec = self._spec
        predictor = open_bundle(self._folder / "bundle", key=self._container.key)
        signature = predictor.manifest.signature
        columns = from_polars(rows.test, signature)
        score = predictor.predict(columns, count(columns)).score
        own = own_metric(
            self._container, spec, rows.test, [score], signature, self._folder / "score.log", seed=0
        )
        names = metrics_of(spec.model.task, spec.watched)
        usual = evaluate(
            spec.model.task,
            rows.test[spec.data.label].to_numpy(),
            score,
            names,
            seed=0,
            classes=signature.classes,
            positive=signature.classes[signature.positive] if signature.classes else 1,
        )
        return usual if own is None else (interval_of(own), *usual)

    def _run(self, rows: Rows, run_id: str, metrics: tuple[Metric, ...]) -> Run:
        return Run(
            id=run_id,
            model=self._spec.model.name,
            dataset=rows.dataset.id,
            code=code_version(self._spec),
            lock=digest(self._lock.encode()),
            metrics=metrics,
            started_at=self._cut,
            finished_at=self._cut,
            train_rows=rows.train.height,
            test_rows=rows.test.height,
        )
