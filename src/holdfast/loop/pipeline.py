"""From data to a registered version: the steps of a training job, each done once.

A step leaves what it made under ``jobs/<id>/`` and checkpoints itself in the database; a job
that is started again goes on after the last step it finished, with the same cut in time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

import polars as pl
import psutil

from holdfast.data import contract as contracts
from holdfast.data import sources, splits, versions
from holdfast.data.files import file_names
from holdfast.data.groups import check_groups
from holdfast.data.leave_out import leave_out
from holdfast.errors import ConflictError, DataError, HoldfastError
from holdfast.loop.container import Container
from holdfast.loop.fitting import Fitted, Fitting, Rows
from holdfast.loop.jobs import finish
from holdfast.loop.spells import known_spells
from holdfast.loop.warming import TRAINING, warm
from holdfast.ports import faults
from holdfast.ports.ids import new_id
from holdfast.records import Breach, Contract, DatasetVersion, Job, JobState, Spell, Version
from holdfast.spec import Spec
from holdfast.training.code import code_version
from holdfast.training.kept import Kept

Tell = Callable[[str], None]


def train_now(
    container: Container, accept: str | None = None, tell: Tell = lambda text: None
) -> Version:
    """Trains the project's model in the foreground.

    Args:
        container: the wiring, opened in a project.
        accept: why data that breaks its contract is to be trained on all the same.
        tell: hears of each step.

    Raises:
        SpecError: when ``holdfast.toml`` is wrong.
        DataError: when the data cannot be read or breaks its contract.
        UserCodeError: when a callable of the project failed.
    """
    spec = container.project_spec()
    payload = {"origin": "operator", "accept": accept}
    jobs, model = container.store.jobs, spec.model.name
    with container.store.begin() as tx:
        key = f"train:{model}:{new_id('now')}"
        job = jobs.enqueue(tx, key, "train", model, payload, container.clock.now())
        job = jobs.take(tx, job.id, os.getpid(), psutil.Process().create_time())
    try:
        result = run_train(container, job, tell)
    except BaseException as error:
        # Also when it was interrupted: nobody is to go on with what a person stopped.
        finish(container, job, {"error": _fault(error).as_dict()}, JobState.FAILED)
        raise
    finish(container, job, result, JobState.DONE)
    return container.version(spec.model.name, result["version"])


def _fault(error: BaseException) -> HoldfastError:
    if isinstance(error, HoldfastError):
        return error
    return HoldfastError("train.stopped", f"the training was stopped by {type(error).__name__}")


def run_train(container: Container, job: Job, tell: Tell = lambda text: None) -> dict[str, Any]:
    """Does a training job; see :func:`train_now` for what it raises."""
    with (
        Kept() as kept,
        ThreadPoolExecutor(1, thread_name_prefix="holdfast-run") as meanwhile,
    ):
        training = _Training(container, job, tell, kept)
        run = meanwhile.submit(container.registry.start_run, job.model, job.id)
        rows = training.rows()
        warm(TRAINING)
        fitted = training.fitted(rows, run)
    version = training.registered(rows, fitted)
    broken = sum(spell.rows for spell in rows.dataset.left_out)
    return {
        "version": version.number,
        "sentence": f"version {version.number} trained on {rows.train.height:,} rows "
        f"until {version.data_end:%Y-%m-%d %H:%M}"
        + (f"; {broken:,} rows of broken inputs left out" if broken else ""),
    }


class _Training:
    """One training job with its folder and its checkpoints."""

    def __init__(self, container: Container, job: Job, tell: Tell, kept: Kept) -> None:
        self._container = container
        self._kept = kept
        self._job = job
        self._tell = tell
        self._spec: Spec = container.spec(job.model)
        self._folder = container.settings.folder(f"jobs/{job.id}")
        self._progress = dict(job.progress)

    def _checkpoint(self, step: str, **progress: Any) -> None:
        self._progress.update(progress)
        store = self._container.store
        with store.begin("job.step") as tx:
            store.jobs.checkpoint(tx, self._job.id, step, self._progress, self._job.attempt)

    def _cut(self) -> datetime:
        """The moment whose knowledge this training has; kept over restarts."""
        if "cut" not in self._progress:
            self._checkpoint("cut", cut=self._container.clock.now().isoformat())
        return datetime.fromisoformat(self._progress["cut"])

    def rows(self) -> Rows:
        """The dataset version, split by time."""
        spec, blobs = self._spec, self._container.blobs
        cut = self._cut()
        if "dataset" in self._progress:
            dataset = versions.read_manifest(self._progress["dataset"], blobs)
            frame = versions.open_version(dataset, blobs)
        else:
            self._tell("reading the data")
            user_code = self._container.user_code(spec, self._folder / "load.log", {}, self._kept)
            frame = sources.read(spec.data, spec.root, user_code)
            check_groups(frame, spec)
            frame = sources.known_at(frame, spec.data, cut, spec.retrain.window)
            frame, broken = self._unbroken(frame)
            dataset = versions.snapshot(
                frame, model=spec.model.name, data=spec.data, source=spec.data.source,
                blobs=blobs, now=cut, left_out=broken,
                sources=file_names(spec.data.source, spec.root),
            )  # fmt: skip
            with self._container.store.begin() as tx:
                self._container.store.datasets.add(tx, dataset)
            self._contract(dataset, frame)
            self._refuse_same(dataset)
            self._checkpoint("dataset", dataset=dataset.id)
        split = splits.by_time(frame, spec.data)
        return Rows(dataset, split.train, split.test)

    def _unbroken(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[Spell, ...]]:
        """The rows but for those whose inputs were seen to be broken, unless that was accepted."""
        if self._job.payload.get("accept"):
            return frame, ()
        spells = known_spells(self._container, self._job.model)
        frame, broken = leave_out(frame, self._spec.data.time, spells)
        for one in broken:
            self._tell(
                f"leaving out {one.rows:,} rows from {one.start:%Y-%m-%d %H:%M} "
                f"to {one.end:%Y-%m-%d %H:%M}: {one.why}"
            )
        return frame, broken

    def _refuse_same(self, dataset: DatasetVersion) -> None:
        """Nobody needs the loop to make the same once more; people may.

        Raises:
            ConflictError: when a version was made of the same data by the same code.
        """
        if "decision" not in self._job.payload:
            return
        store, code = self._container.store, code_version(self._spec).digest
        for version in self._container.ask(store.versions.list, self._job.model, 1000):
            if (version.dataset, version.code.digest) == (dataset.id, code):
                raise ConflictError(
                    "train.nothing_new",
                    f"version {version.number} was made of the same data by the same code",
                    "Nothing is to be done; 'holdfast train' trains all the same.",
                )

    def _contract(self, dataset: DatasetVersion, frame: pl.DataFrame) -> None:
        """Learns this dataset's contract, and holds the data against the champion's."""
        learned = contracts.learn(frame, self._spec.data)
        self._container.blobs.put(contract_key(dataset.id), learned.to_json())
        breaches = breaches_of(self._container, self._job.model, frame)
        if not self._job.payload.get("accept"):
            refuse_hard(breaches)

    def fitted(self, rows: Rows, run: Future[str]) -> Fitted:
        """The estimator, judged and packed into a bundle."""
        fitting = Fitting(
            self._container, self._spec, self._job, self._cut(), self._tell, self._kept
        )
        fitting.prepare()
        fitted = fitting.fit(rows, run.result())
        self._checkpoint("fitted")
        return fitted

    def registered(self, rows: Rows, fitted: Fitted) -> Version:
        """The version in the registry; registering it again gives the same one."""
        self._tell("registering the version")
        route = self._container.ask(self._container.store.routes.current, self._job.model)
        self._checkpoint("registering")  # refuses a process that was given up
        with faults.step("version.make"):
            version = self._container.registry.register(
                fitted.manifest,
                fitted.bundle,
                run=fitted.run,
                job=self._job.id,
                data_start=rows.dataset.start,
                data_end=rows.dataset.end,
                parent=None if route is None else route.champion.version,
            )
        store = self._container.store
        with store.begin("version.keep") as tx:
            if store.versions.find(tx, version.model, version.number) is None:
                store.versions.save(tx, version)
                store.events.append(
                    tx, self._container.clock.now(), "version.registered", version.model,
                    "holdfast",
                    {"sentence": f"version {version.number} registered: {_told(version)}",
                     "version": version.to_dict()},
                )  # fmt: skip
        self._checkpoint("registered", version=version.number)
        return version


def _told(version: Version) -> str:
    metric = version.metrics[0]
    return (
        f"{metric.name} {metric.value:.3f} (95 % {metric.low:.3f} to {metric.high:.3f}), "
        f"data until {version.data_end:%Y-%m-%d}, code {version.code.digest[7:15]}"
    )


def contract_key(dataset: str) -> str:
    """Where the contract of a dataset version is kept."""
    return f"contracts/{dataset.removeprefix('sha256:')}.json"


def champion_contract(container: Container, model: str) -> Contract | None:
    """The contract of the data the champion was trained on; None without a champion."""
    route = container.ask(container.store.routes.current, model)
    if route is None:
        return None
    dataset = container.version(model, route.champion.version).dataset
    key = contract_key(dataset)
    return Contract.from_json(container.blobs.get(key)) if container.blobs.exists(key) else None


def refuse_hard(breaches: Sequence[Breach]) -> None:
    """Refuses data that nobody should train on.

    Raises:
        DataError: when a breach is hard.
    """
    hard = [breach.sentence for breach in breaches if breach.hard]
    if hard:
        raise DataError(
            "data.contract",
            f"the data breaks its contract: {'; '.join(hard)}",
            "Mend the source; or, when the change is meant, "
            "run 'holdfast train --accept-data \"why\"'.",
        )


def breaches_of(container: Container, model: str, frame: pl.DataFrame) -> tuple[Breach, ...]:
    """How some rows break the contract of the champion's data."""
    contract = champion_contract(container, model)
    return () if contract is None else contracts.check(contract, frame)
