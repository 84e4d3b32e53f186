"""The container: every part of the loop, made once and on first use, wired from the settings."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import msgspec

from holdfast.errors import NotFoundError, SpecError, UsageError
from holdfast.loop.clock import SystemClock, make_clock
from holdfast.loop.settings import Settings, load_settings, prepare
from holdfast.loop.threads import given
from holdfast.ports.clock import Clock
from holdfast.records import Reference, ServerReport, Version
from holdfast.spec import FILE_NAME, Spec, load_spec

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from holdfast.loop.summaries import SummaryStore
    from holdfast.recording.joined import Joined
    from holdfast.recording.labels import LabelStore
    from holdfast.recording.log import PredictionLog
    from holdfast.registry.mlflow_registry import MlflowRegistry
    from holdfast.store.blobs import LocalBlobs
    from holdfast.store.store import Store
    from holdfast.training.kept import Kept
    from holdfast.training.user_code import LocalUserCode

SERVER_SILENCE = timedelta(seconds=60)

P = ParamSpec("P")
R = TypeVar("R")


class Container:
    """What commands, the control plane and jobs work with.

    Args:
        settings: where state lives.
        project: folder of the ``holdfast.toml`` this was opened in, if there is one.
        clock: the time; from the settings by default.
    """

    def __init__(
        self, settings: Settings, project: Path | None = None, clock: Clock | None = None
    ) -> None:
        self.settings = settings
        self.project = project
        self.clock: Clock = clock or make_clock(settings.clock)
        self._specs: dict[Path, tuple[float, Spec]] = {}
        self._references: dict[str, Reference] = {}
        self._warned: set[str] = set()
        self._store_of = self._open_store

    @classmethod
    def open(cls, project: Path) -> Container:
        """The installation of a project folder, or of ``HOLDFAST_HOME``."""
        folder = project.absolute()
        return cls(prepare(load_settings(folder)), folder)

    def guarded(self, guard: Callable[[Connection], None]) -> Container:
        """The same parts, but each write transaction of its store begins with a check."""
        view = copy.copy(self)
        view.__dict__.pop("store", None)
        view.__dict__["_store_of"] = lambda: self.store.guarded(guard)
        return view

    @cached_property
    def store(self) -> Store:
        """The metadata, migrated to this version."""
        return self._store_of()

    def _open_store(self) -> Store:
        from holdfast.store.database import Database
        from holdfast.store.store import Store

        database = Database(self.settings.database_url)
        database.migrate()
        return Store(database)

    def ask(
        self, query: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Runs one query of the store in a read transaction of its own."""
        with self.store.read() as tx:
            return query(tx, *args, **kwargs)

    @cached_property
    def registry(self) -> MlflowRegistry:
        """MLflow, in-process or a server's."""
        from holdfast.registry.mlflow_registry import MlflowRegistry

        return MlflowRegistry(self.settings.tracking_uri, self.settings.folder("artifacts"))

    @cached_property
    def blobs(self) -> LocalBlobs:
        """Dataset files and manifests."""
        from holdfast.store.blobs import LocalBlobs

        return LocalBlobs(self.settings.folder("blobs"))

    @cached_property
    def log(self) -> PredictionLog:
        """Every prediction."""
        from holdfast.recording.log import PredictionLog

        return PredictionLog(self.settings.folder("log"))

    @cached_property
    def labels(self) -> LabelStore:
        """Every label."""
        from holdfast.recording.labels import LabelStore

        return LabelStore(self.settings.folder("labels"))

    @cached_property
    def joined(self) -> Joined:
        """Live predictions beside their labels, kept for the next look."""
        from holdfast.recording.joined import Joined

        return Joined(self.log, self.labels)

    @cached_property
    def summaries(self) -> SummaryStore:
        """Counts of every hour."""
        from holdfast.loop.summaries import SummaryStore

        return SummaryStore(self.settings.folder("summaries"))

    @cached_property
    def key(self) -> bytes:
        """Signs the bundles made here."""
        from holdfast.bundle.key import make_key

        return make_key(self.settings.home)

    def wall(self) -> datetime:
        """The machine's own time, even in a rehearsal: who is alive is no matter of history."""
        return SystemClock().now()

    def warn(self, text: str) -> None:
        """Says something that an operator may want to know, once."""
        if text not in self._warned:
            self._warned.add(text)
            logging.getLogger("holdfast").warning("%s", text)

    def recorded_until(self) -> datetime | None:
        """Prediction time up to which everything is in the log; None before the first record.

        With several recorders it is the slowest that counts.
        """
        from holdfast.recording.progress import read_status, recorded_until

        times = []
        for folder in sorted(self.settings.folder("recorder").iterdir()):
            status = read_status(folder) if folder.is_dir() else None
            until = None if status is None else recorded_until(status)
            if until is not None:
                times.append(until)
        return datetime.fromtimestamp(min(times), UTC) if times else None

    def servers(self) -> list[ServerReport]:
        """Servers that were heard of in the last minute."""
        since = self.wall() - SERVER_SILENCE
        return list(self.ask(self.store.servers.list, since))

    def heard_of(self, report: ServerReport) -> None:
        """Keeps what a server said."""
        with self.store.begin() as tx:
            self.store.servers.report(tx, report)

    def user_code(
        self, spec: Spec, log: Path, environment: dict[str, str], kept: Kept | None = None
    ) -> LocalUserCode:
        """Runs the callables of a project, its output going to ``log``, in a process that is
        ``kept`` from one call to the next.
        """
        from holdfast.spec import parse_size
        from holdfast.training.user_code import LocalUserCode

        return LocalUserCode(
            root=spec.root,
            frame_kind=spec.model.frame,
            timeout=spec.model.timeout,
            memory_bytes=parse_size(spec.model.memory),
            log=log,
            features=spec.data.features,
            label=spec.data.label,
            task=spec.model.task,
            env={**self.settings.environment(), **environment},
            base=given(os.environ),
            also=(spec.gate.metric,) if spec.gate.own else (),
            kept=kept,
        )

    def project_spec(self) -> Spec:
        """The spec of the project this was opened in; its model becomes known to the home.

        Raises:
            SpecError: when there is none, or it is wrong.
        """
        if self.project is None:
            raise UsageError("usage.no_project", "no project was named", "Give --project PATH.")
        from holdfast.store.models import ModelEntry

        spec = load_spec(self.project)
        text = (spec.root / FILE_NAME).read_text(encoding="utf-8")
        with self.store.begin() as tx:
            known = self.store.models.find(tx, spec.model.name)
            entry = known or ModelEntry(
                name=spec.model.name, root=str(spec.root), text=text, added_at=self.clock.now()
            )
            entry = replace(entry, root=str(spec.root), text=text)
            if entry != known:
                self.store.models.save(tx, entry)
        return spec

    def spec(self, model: str) -> Spec:
        """A model's spec, read anew when its file changed.

        Raises:
            NotFoundError: when this home has no such model.
            SpecError: when its file is wrong.
        """
        file = Path(self.ask(self.store.models.get, model).root) / FILE_NAME
        with contextlib.suppress(OSError):
            changed = file.stat().st_mtime
            known = self._specs.get(file)
            if known and known[0] == changed:
                return known[1]
            spec = load_spec(file)
            self._specs[file] = (changed, spec)
            return spec
        return load_spec(file)

    def models(self) -> list[str]:
        """Names of all models of this home."""
        return [entry.name for entry in self.ask(self.store.models.list)]

    def default_model(self) -> str:
        """The project's model, or the only one of the home.

        Raises:
            UsageError: when it cannot be known which is meant.
        """
        if self.project is not None and (self.project / FILE_NAME).exists():
            return self.project_spec().model.name
        names = self.models()
        if len(names) == 1:
            return names[0]
        if not names:
            raise SpecError(
                "spec.missing",
                f"there is no {FILE_NAME} in {self.project} and no model in {self.settings.home}",
                "Run 'holdfast init' to make a project, or name one with --project PATH.",
            )
        raise UsageError(
            "usage.which_model",
            f"this home holds {len(names)} models: {', '.join(names)}",
            "Name one with --model.",
        )

    def version_record(self, model: str, number: int) -> Version:
        """What is known of a version, wherever its bundle is; MLflow is asked only if need be.

        Raises:
            NotFoundError: when there is no such version.
        """
        known = self.ask(self.store.versions.find, model, number)
        return known or self.registry.version(model, number)

    def version(self, model: str, number: int) -> Version:
        """A version with its bundle on this machine.

        Raises:
            NotFoundError: when there is no such version.
        """
        known = self.ask(self.store.versions.find, model, number)
        if known is not None and Path(known.bundle_path).is_dir():
            return known
        version = self.registry.version(model, number)
        path = self.registry.fetch(version, self.settings.folder("bundles"))
        version = replace(version, bundle_path=str(path))
        with self.store.begin() as tx:
            self.store.versions.save(tx, version)
        return version

    def reference(self, version: Version) -> Reference:
        """What the bundle carries of the held-out rows."""
        from holdfast.bundle.manifest import read_file, read_manifest

        known = self._references.get(version.bundle)
        if known is None:
            folder = Path(version.bundle_path)
            data = read_file(folder, read_manifest(folder), "reference.json")
            known = self._references[version.bundle] = Reference.from_json(data)
        return known

    def newest_version(self, model: str) -> Version:
        """The version with the highest number.

        Raises:
            NotFoundError: when none was registered.
        """
        versions = self.registry.versions(model)
        if not versions:
            raise NotFoundError(
                "version.none", f"{model} has no version yet", "Run 'holdfast train'."
            )
        return self.version(model, max(version.number for version in versions))


T = TypeVar("T", bound=msgspec.Struct)


def replace(record: T, **changes: Any) -> T:
    """A copy of a record with some fields changed."""
    return msgspec.structs.replace(record, **changes)
