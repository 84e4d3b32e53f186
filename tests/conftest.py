"""A tiny project, and an installation of it that was trained once and is copied for each test."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from holdfast.loop.clock import RehearsalClock
    from holdfast.loop.container import Container

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAYS = 40
CODE = '''
"""2,000 rows before the second of March 2026, and a pipeline that fits them in no time."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def load():
    rng = np.random.default_rng(7)
    n = 2000
    end = pd.Timestamp("2026-03-02T12:00:00Z")
    time = end - pd.to_timedelta(np.linspace(40 * 24 * 3600, 0, n), unit="s")
    size, heat = rng.normal(size=n), rng.normal(20, 5, size=n)
    kind = rng.choice(["east", "west"], size=n)
    score = 1.5 * size + 0.1 * (heat - 20) + np.where(kind == "east", 0.5, -0.5)
    return pd.DataFrame({
        "row": [f"r{i}" for i in range(n)],
        "at": time,
        "known": time + pd.Timedelta("6h"),
        "size": size,
        "heat": heat,
        "kind": kind,
        "bad": rng.random(n) < 1 / (1 + np.exp(-score)),
    })


def train(rows):
    columns = ColumnTransformer([
        ("numbers", StandardScaler(), ["size", "heat"]),
        ("kind", OneHotEncoder(), ["kind"]),
    ])
    return make_pipeline(columns, LogisticRegression()).fit(rows.drop(columns="bad"), rows["bad"])
'''
TOML = """
[model]
name = "tiny"
task = "binary"
train = "tiny:train"

[data]
source = "tiny:load"
id = "row"
time = "at"
label = "bad"
label_time = "known"
features = ["size", "heat", "kind"]

[gate]
metric = "roc_auc"
min = 0.6
margin = 0.05

[release]
strategy = "direct"
"""


@dataclass
class Installation:
    """A project with its home folder, opened as a process would."""

    project: Path

    @property
    def home(self) -> Path:
        return self.project / ".holdfast"

    @property
    def environment(self) -> dict[str, str]:
        """For processes: this installation, and nothing of the machine's."""
        assert self.clock
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HOLDFAST_", "MLFLOW_"))
        }
        return own | {"HOLDFAST_CLOCK": str(self.project / "clock")}

    @cached_property
    def clock(self) -> RehearsalClock:
        from holdfast.loop.clock import RehearsalClock

        file = self.project / "clock"
        return RehearsalClock(file) if file.exists() else RehearsalClock.create(file, START)

    @cached_property
    def container(self) -> Container:
        return self.open()

    def open(self) -> Container:
        """One more container, as another process would have."""
        from holdfast.loop.container import Container
        from holdfast.loop.settings import load_settings, prepare

        return Container(prepare(load_settings(self.project, self.environment)), self.project)

    def later(self, **by: float) -> datetime:
        """Moves the time forward."""
        self.clock.advance(self.clock.now() + timedelta(**by))
        return self.clock.now()

    def edit(self, old: str, new: str, file: str = "holdfast.toml") -> None:
        path = self.project / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        moment = time.time() + 10  # a spec is read anew when its file's time changed
        os.utime(path, (moment, moment))

    def events(self, kind: str | None = None) -> list[Any]:
        """Oldest first."""
        container = self.container
        found = container.ask(container.store.events.list, limit=10_000)
        return [event for event in reversed(found) if kind in (None, event.kind)]

    def holdfast(
        self, *words: str, status: int | None = 0, **named: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the project's folder; ``named`` are further variables."""
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.cli", *words],
            cwd=self.project, env={**self.environment, **named}, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    def json(self, *words: str, status: int = 0) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(self.holdfast(*words, "--json", status=status).stdout)


def wait_until(done: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Waits until something is true of another process, and returns it."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def wait() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def untrained(tmp_path: Path) -> Installation:
    """The project, with an empty home."""
    return _project(tmp_path / "tiny")


@pytest.fixture(scope="session")
def project() -> Callable[[Path], Installation]:
    """Makes the project in a folder, with an empty home."""
    return _project


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2 passed the gate, 3 was not judged; nothing was released."""
    from holdfast.bundle.manifest import read_manifest
    from holdfast.loop.gating import gate_now
    from holdfast.loop.pipeline import train_now
    from holdfast.records import Run

    made = _project(tmp_path_factory.mktemp("trained") / "tiny")
    container = made.container
    first = train_now(container)
    run = Run(
        id=first.run, model="tiny", dataset=first.dataset, code=first.code, lock=first.lock,
        metrics=first.metrics, started_at=START, finished_at=START, train_rows=1, test_rows=1,
    )  # fmt: skip
    store, folder = container.store, Path(first.bundle_path)
    for key in ("second", "third"):  # the same bundle once more: what differs is its number
        with store.begin() as tx:
            job = store.jobs.enqueue(tx, key, "train", "tiny", {"origin": "operator"}, START)
            store.jobs.take(tx, job.id, 1, 0.0)
        version = container.registry.register(
            read_manifest(folder), folder, run=run, job=job.id,
            data_start=first.data_start, data_end=first.data_end,
        )  # fmt: skip
        with store.begin() as tx:
            store.versions.save(tx, version)
            store.jobs.finish(tx, job.id, {"version": version.number}, START)
    for number in (1, 2):
        assert gate_now(container, "tiny", number).outcome == "pass"
    store.close()
    return made.project


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> Installation:
    """A copy of the trained installation, for one test."""
    return copy(_trained, tmp_path / "tiny")


@pytest.fixture
def again(tmp_path: Path) -> Callable[[Installation], Installation]:
    """Copies an installation as it is now, for one more life."""
    lives = iter(range(1000))
    return lambda home: copy(home.project, tmp_path / f"life-{next(lives)}" / "tiny")


@pytest.fixture
def live(trained: Installation) -> Installation:
    """Version 1 is live."""
    from holdfast.loop.releasing import Releasing

    Releasing(trained.container).start("tiny", version=1, actor="ana")
    return trained


@pytest.fixture(scope="module")
def shared(_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A copy of the trained installation, for the tests of one module."""
    return copy(_trained, tmp_path_factory.mktemp("shared") / "tiny")


def _project(folder: Path) -> Installation:
    folder.mkdir(parents=True)
    (folder / "tiny.py").write_text(CODE)
    (folder / "holdfast.toml").write_text(TOML)
    return Installation(folder)


def copy(trained: Path, project: Path) -> Installation:
    """A copy whose databases name its own folders; events keep what they said."""
    shutil.copytree(trained, project)
    for name in ("holdfast.db", "mlflow.db"):
        with sqlite3.connect(project / ".holdfast" / name) as database:
            _rename(database, str(trained), str(project))
        database.close()
    return Installation(project)


def _rename(database: sqlite3.Connection, old: str, new: str) -> None:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        columns = database.execute(f"PRAGMA table_info('{table}')").fetchall()
        for _, column, kind, *_ in columns if table != "events" else ():
            blob = kind.upper() == "BLOB"
            value = f'replace(CAST("{column}" AS TEXT), ?, ?)'
            database.execute(
                f'UPDATE "{table}" SET "{column}" = {f"CAST({value} AS BLOB)" if blob else value}'
                f' WHERE instr("{column}", ?)',
                (old, new, old.encode() if blob else old),
            )
