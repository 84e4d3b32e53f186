"""Runs, versions and aliases, kept by MLflow: in process on SQLite, or on any MLflow server.

Everything that writes can be done again after the process died in the middle: runs and versions
carry the id of the job that makes them, and are looked for before they are made.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from holdfast.bundle.manifest import bundle_digest, verify
from holdfast.errors import BundleError, ConflictError, NotFoundError
from holdfast.records.bundle import BundleManifest
from holdfast.records.run import Metric, Run
from holdfast.records.version import Version
from holdfast.registry.client import Client, ensure_experiment, ensure_model
from holdfast.registry.lineage import JOB_TAG, lineage_tags, version_of
from holdfast.registry.local_tables import LocalTables
from holdfast.registry.mlmodel import BUNDLE_FOLDER, write_mlmodel

ARTIFACT_PATH = "model"
CHAMPION, CHALLENGER = "champion", "challenger"
_PAGE = 1000


class MlflowRegistry:
    """The registry of one installation.

    Args:
        tracking_uri: ``sqlite:///HOME/mlflow.db`` by default, or an MLflow server.
        artifact_root: folder for the files of new experiments; a server has its own.
        registry_uri: where the registry is, when not where the runs are.
    """

    def __init__(
        self, tracking_uri: str, artifact_root: str | Path, registry_uri: str | None = None
    ) -> None:
        self._client = Client(tracking_uri, registry_uri)
        self._artifact_root = Path(artifact_root)
        self._tables = LocalTables(self._client.file) if self._client.file else None

    def start_run(self, model: str, job: str, tags: Mapping[str, str] | None = None) -> str:
        """The MLflow run of a job, made on first call.

        Args:
            model: name of the model; also of the experiment.
            job: id of the job.
            tags: further tags.

        Returns:
            The run id.
        """
        with self._client.calls() as client:
            root = None if self._client.remote else self._artifact_root / model
            experiment = ensure_experiment(client, model, root)
            found = client.search_runs([experiment], f"tags.`{JOB_TAG}` = '{_quoted(job)}'")
            if found:
                run = str(found[0].info.run_id)
                client.update_run(run, status="RUNNING")
                return run
            made = client.create_run(experiment, tags={JOB_TAG: job, **(tags or {})}, run_name=job)
            return str(made.info.run_id)

    def finish_run(
        self,
        run: str,
        *,
        at: datetime,
        failed: bool = False,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Ends a run, with its metrics (each with the ends of its interval).

        Args:
            run: the run id.
            at: when it ended.
            failed: whether it failed.
            metrics: what was measured on the held-out rows.
            params: settings worth comparing.
            tags: lineage.
        """
        with self._client.calls() as client:
            from mlflow import entities

            moment = int(at.timestamp() * 1000)
            points = [
                entities.Metric(name, value, moment, 0)
                for metric in metrics
                for name, value in (
                    (metric.name, metric.value),
                    (f"{metric.name}.low", metric.low),
                    (f"{metric.name}.high", metric.high),
                )
            ]
            client.log_batch(
                run,
                metrics=points,
                params=[entities.Param(name, value) for name, value in (params or {}).items()],
                tags=[entities.RunTag(name, value) for name, value in (tags or {}).items()],
            )
            client.set_terminated(run, "FAILED" if failed else "FINISHED", moment)

    def log_artifact_text(self, run: str, text: str, path: str) -> None:
        """Keeps a text, such as a verdict or the lock, with a run."""
        with self._client.calls() as client:
            client.log_text(run, text, path)

    def keep(self, version: Version, path: str, text: str) -> None:
        """Keeps a text, such as the model card, with a version: in the artefacts of its run.

        Raises:
            UnavailableError: when MLflow cannot be reached.
        """
        bundle = Path(version.bundle_path)
        own = bundle.resolve().is_relative_to(self._artifact_root.resolve())
        if not self._client.remote and own and bundle.parts[-2:] == (ARTIFACT_PATH, BUNDLE_FOLDER):
            # Its folder is here: a file is a file, and MLflow takes a second to import.
            (bundle.parents[1] / path).write_text(text, encoding="utf-8")
        else:
            self.log_artifact_text(version.run, text, path)

    def register(
        self,
        manifest: BundleManifest,
        folder: Path,
        *,
        run: Run,
        job: str,
        data_start: datetime,
        data_end: datetime,
        parent: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        """Registers a bundle as the next version; a job gets one version however often it asks.

        Args:
            manifest: of the bundle.
            folder: the bundle.
            run: the finished run.
            job: id of the job that made it.
            data_start: earliest prediction time among its training and test rows.
            data_end: latest.
            parent: number of the version that was champion when it was trained.
            tags: further tags.

        Raises:
            UnavailableError: when MLflow cannot be reached.
        """
        name = manifest.model
        if (known := self._version_of_job(name, job)) is not None:
            return known
        version = Version(
            model=name, number=0, run=run.id, bundle=bundle_digest(folder), bundle_path="",
            dataset=run.dataset, code=run.code, lock=run.lock, task=manifest.task,
            metrics=run.metrics, created_at=manifest.created_at, data_start=data_start,
            data_end=data_end, parent=parent, predictor=manifest.predictor,
            predictor_note=manifest.note, job=job,
        )  # fmt: skip
        with self._client.calls() as client:
            with tempfile.TemporaryDirectory(prefix="holdfast-") as work:
                write_mlmodel(Path(work), folder, manifest, run.id)
                client.log_artifacts(run.id, work, ARTIFACT_PATH)
            ensure_model(client, name)
            source = f"{client.get_run(run.id).info.artifact_uri}/{ARTIFACT_PATH}"
            # All tags come with the creation: a version is never there without its lineage.
            made = client.create_model_version(
                name, source, run.id, tags={**lineage_tags(version), **(tags or {})}
            )
        return version_of(made) or version

    def versions(self, model: str) -> tuple[Version, ...]:
        """All versions that Holdfast registered, oldest first; none of an unknown model."""
        return tuple(version for version in self._search(f"name = '{_quoted(model)}'"))

    def version(self, model: str, number: int) -> Version:
        """One version.

        Raises:
            NotFoundError: when there is none, or another tool registered it.
        """
        missing = NotFoundError(
            "registry.no_version",
            f"there is no version {number} of '{model}'",
            "'holdfast versions' lists what there is.",
        )
        if self._client.empty:
            raise missing
        try:
            with self._client.calls() as client:
                found = version_of(client.get_model_version(model, str(number)))
        except NotFoundError:
            raise missing from None
        if found is None:
            raise missing
        return found

    def lineage(self, model: str, number: int) -> tuple[Version, ...]:
        """A version and its ancestors: its parent, the parent's parent, back to the first.

        Raises:
            NotFoundError: when there is no such version.
        """
        chain = [self.version(model, number)]
        known = {version.number: version for version in self.versions(model)}
        while (parent := chain[-1].parent) in known and parent < chain[-1].number:
            chain.append(known[parent])
        return tuple(chain)

    def aliases(self, model: str) -> dict[str, int]:
        """Version number by alias, such as ``champion``; empty for an unknown model."""
        if self._client.empty:
            return {}
        if (tables := self._local()) is not None:
            return tables.aliases(model)
        try:
            with self._client.calls() as client:
                found = client.get_registered_model(model).aliases
        except NotFoundError:
            return {}
        return {alias: int(number) for alias, number in found.items()}

    def all_aliases(self) -> dict[str, dict[str, int]]:
        """Version number by alias of every model that has any, in as few calls as can be."""
        if self._client.empty:
            return {}
        if (tables := self._local()) is not None:
            return tables.all_aliases()
        found: dict[str, dict[str, int]] = {}
        token = None
        with self._client.calls() as client:
            while True:
                page = client.search_registered_models(max_results=_PAGE, page_token=token)
                for model in page:
                    aliases = {alias: int(number) for alias, number in model.aliases.items()}
                    if aliases:
                        found[model.name] = aliases
                token = page.token
                if not token:
                    return found

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Points an alias to a version.

        Raises:
            NotFoundError: when there is no such version.
        """
        if (tables := self._local()) is not None:
            tables.set_alias(model, alias, number)
        else:
            with self._client.calls() as client:
                client.set_registered_model_alias(model, alias, str(number))

    def delete_alias(self, model: str, alias: str) -> None:
        """Takes an alias away; no change when it is not there."""
        if (tables := self._local()) is not None:
            tables.delete_alias(model, alias)
        elif alias in self.aliases(model):
            with self._client.calls() as client:
                client.delete_registered_model_alias(model, alias)

    def set_tag(self, model: str, number: int, name: str, value: str) -> None:
        """Sets a tag of a version, such as ``validation_status``.

        Raises:
            NotFoundError: when there is no such version.
        """
        if (tables := self._local()) is not None:
            tables.set_tag(model, number, name, value)
        else:
            with self._client.calls() as client:
                client.set_model_version_tag(model, str(number), name, value)

    def fetch(self, version: Version, into: Path) -> Path:
        """A local, verified folder of a version's bundle: its own, or a copy in ``into``.

        Raises:
            BundleError: when what MLflow holds is not the bundle that was registered.
            UnavailableError: when MLflow cannot be reached.
        """
        for known in (Path(version.bundle_path or "/nowhere"), into / _folder_name(version.bundle)):
            try:
                verify(known, version.bundle)
            except BundleError:
                continue
            return known
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = into / _folder_name(version.bundle)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=into) as work:
            with self._client.calls() as client:
                path = f"{ARTIFACT_PATH}/{BUNDLE_FOLDER}"
                local = Path(client.download_artifacts(version.run, path, work))
            verify(local, version.bundle)
            shutil.rmtree(target, ignore_errors=True)
            local.rename(target)
        return target

    def _local(self) -> LocalTables | None:
        """MLflow's own file, where the little things can be done without MLflow."""
        return self._tables if self._tables is not None and self._tables.usable else None

    def _version_of_job(self, model: str, job: str) -> Version | None:
        where = f"name = '{_quoted(model)}' and tags.`{JOB_TAG}` = '{_quoted(job)}'"
        return next(iter(self._search(where)), None)

    def _search(self, where: str) -> list[Version]:
        if self._client.empty:
            return []
        found: list[Version] = []
        token = None
        with self._client.calls() as client:
            while True:
                page = client.search_model_versions(where, max_results=_PAGE, page_token=token)
                found += [version for version in map(version_of, page) if version is not None]
                token = page.token
                if not token:
                    break
        return sorted(found, key=lambda version: version.number)


def _folder_name(address: str) -> str:
    return address.replace(":", "-")


def _quoted(text: str) -> str:
    """Text for MLflow's filter language, which has no escape for a quote."""
    if "'" in text:
        raise ConflictError("registry.bad_name", "a name holds a quote", "Choose another name.")
    return text
