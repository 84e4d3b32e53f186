"""What a pass of the control plane over many idle models costs, and how that grows."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from options import Options
from report import Report, Row, Table

from holdfast.loop.container import Container
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.settings import Settings, prepare
from holdfast.records import Arm, CodeVersion, Release, ReleaseState, Route, Version
from holdfast.store.models import ModelEntry

MODELS = (10, 100, 500, 1000)
EVENTS = 10
PASSES = 20
SPEC = """
[model]
name = "{name}"
task = "binary"
train = "model:train"

[data]
source = "rows.parquet"
id = "row"
time = "at"
label = "late"
label_delay = "6h"
features = ["size"]

[gate]
metric = "roc_auc"
min = 0.6
"""


def measure(options: Options, work: Path) -> Report:
    """Every model is live and watched, with a small history; nothing is new for any of them."""
    names = ("first pass", "idle pass, median", "idle pass, slowest", "one model's news")
    units = ("ms", "ms", "ms", "ms")
    rows: dict[str, list[Row]] = {name: [] for name in (*names, "memory of the process")}
    for number in MODELS[:2] if options.quick else MODELS:
        container = _fleet(work / f"fleet-{number}", number)
        found: dict[str, list[float | None]] = {name: [] for name in rows}
        for _ in range(options.rounds):
            for name, value in _passes(container, number, options.count(PASSES)).items():
                found[name].append(value)
        container.store.close()
        for name, values in found.items():
            rows[name].append(Row(f"{number} models", values))
    return Report(
        name="fleet",
        about="One control plane's passes over models that are live and watched, with "
        f"{EVENTS} events each, in SQLite; the registry is MLflow's local file.",
        tables=[
            *(
                Table(title=name, unit=unit, rows=rows[name], base="10 models")
                for name, unit in zip(names, units, strict=True)
            ),
            Table(
                title="memory of the process", unit="MB", rows=rows["memory of the process"],
                base="10 models",
            ),
        ],
        notes=[
            (
                "The first pass after a start looks at every model. Aim: an idle pass over 500 "
                "models under a second."
            ),
            (
                "Memory is the resident set after the passes; sizes are measured one after the "
                "other in one process, so it also holds what the smaller ones left."
            ),
        ],
    )  # fmt: skip


def _passes(container: Container, number: int, count: int) -> dict[str, float]:
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    first = _timed(one)
    _timed(one)  # what the first pass itself made new
    idle = sorted(_timed(one) for _ in range(count))
    with container.store.begin() as tx:
        container.store.events.append(
            tx, container.clock.now(), "label.noted", f"m{number // 2:04d}", "bench", {}
        )
    news = _timed(one)
    return {
        "first pass": first,
        "idle pass, median": idle[len(idle) // 2],
        "idle pass, slowest": idle[-1],
        "one model's news": news,
        "memory of the process": psutil.Process().memory_info().rss / 1e6,
    }


def _timed(one: Reconciler) -> float:
    began = time.perf_counter()
    one.tick()
    return 1000 * (time.perf_counter() - began)


def _fleet(folder: Path, number: int) -> Container:
    """An installation of many models, written as the loop would have."""
    home = folder / "home"
    container = Container(
        prepare(
            Settings(
                home=home,
                database_url=f"sqlite:///{home / 'holdfast.db'}",
                tracking_uri=f"sqlite:///{home / 'mlflow.db'}",
            )
        )
    )
    container.registry.start_run("fleet", "job")  # makes MLflow's tables
    store, now = container.store, datetime.now(UTC) - timedelta(days=1)
    names = [f"m{index:04d}" for index in range(number)]
    with store.begin() as tx:
        for name in names:
            root = folder / name
            root.mkdir()
            text = SPEC.format(name=name)
            (root / "holdfast.toml").write_text(text)
            store.models.save(
                tx, ModelEntry(name=name, root=str(root), text=text, added_at=now, champion=1)
            )
            store.versions.save(
                tx,
                Version(model=name, number=1, run="run", bundle="sha256:0", bundle_path=str(root),
                        dataset="sha256:0", code=CodeVersion(digest="sha256:0"), lock="sha256:0",
                        task="binary", metrics=(), created_at=now, data_start=now, data_end=now),
            )  # fmt: skip
            arm = Arm(version=1, bundle="sha256:0", path=str(root), weight=1.0)
            store.routes.change(
                tx,
                Route(model=name, epoch=1, arms=(arm,), actor="bench", reason="live",
                      created_at=now),
            )  # fmt: skip
            store.releases.save(
                tx,
                Release(id=f"rel-{name}", model=name, version=1, previous=None, plan=(),
                        state=ReleaseState.WATCHED, started_at=now, step_at=now, actor="bench"),
            )  # fmt: skip
            for index in range(EVENTS):
                store.events.append(
                    tx, now, "release.moved", name, "bench", {"sentence": f"event {index}"}
                )
    with sqlite3.connect(home / "mlflow.db") as mlflow:
        mlflow.executemany(
            "INSERT INTO registered_models (name, workspace) VALUES (?, 'default')",
            [(name,) for name in names],
        )
        mlflow.executemany(
            "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
            " VALUES ('default', ?, 'champion', 1)",
            [(name,) for name in names],
        )
    mlflow.close()
    return container
