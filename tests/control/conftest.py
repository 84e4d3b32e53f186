"""A real installation on disk with a history, for the tests of the control plane and its pages."""

from __future__ import annotations

import dataclasses
import math
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
import uvicorn

from holdfast.bundle.manifest import write_bundle
from holdfast.control.app import create_app
from holdfast.control.process import server_config
from holdfast.loop.container import Container, replace
from holdfast.loop.looking import look_json
from holdfast.loop.routing import Router, moved, started
from holdfast.loop.settings import load_settings, prepare
from holdfast.loop.stints import Stint, stints
from holdfast.monitoring.attribution import Attribution, Carried, Cause
from holdfast.monitoring.causes import causes_of
from holdfast.monitoring.drift import Drift
from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.look import Look
from holdfast.monitoring.quality import Cohort, Corrected
from holdfast.monitoring.track import Track
from holdfast.recording.frames import SCHEMA
from holdfast.records import (
    Arm,
    Armed,
    Arming,
    Bins,
    Check,
    CodeVersion,
    ColumnSummary,
    Decision,
    Evidence,
    Field,
    Finding,
    Incident,
    Metric,
    Reference,
    Release,
    ReleaseState,
    ServerReport,
    Signature,
    Step,
    Summary,
    Verdict,
    Version,
    digest,
)  # fmt: skip
from holdfast.registry.mlflow_registry import MlflowRegistry
from holdfast.spec import Monitor
from holdfast.store.models import ModelEntry

NOW = datetime(2013, 7, 20, 14, 5, tzinfo=UTC)
DAY = timedelta(days=1)
MODEL = "flight-delay"
FEATURES = ("carrier", "origin", "distance", "departure_minute", "temperature", "visibility")
TOML = f"""
[model]
name = "NAME"
task = "TASK"
train = "delays:train"
[data]
source = "delays:load"
time = "predicted_at"
label = "late"
features = {list(FEATURES)}
[gate]
metric = "METRIC"
"""
PLAN = (
    Step(kind="canary", weight=0.05),
    Step(kind="canary", weight=0.25),
    Step(kind="canary", weight=0.5),
)


@dataclass
class Clock:
    """A time that tests set."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time

    def timestamp(self) -> float:
        return self.time.timestamp()


@dataclass
class World:
    """An installation in the making: each call happens at the clock's time."""

    container: Container
    clock: Clock
    projects: Path
    arms: dict[tuple[str, int], Arm] = field(default_factory=dict)

    def add_model(self, name: str, task: str = "binary", metric: str = "roc_auc") -> None:
        root = self.projects / name
        root.mkdir(parents=True)
        text = TOML.replace("NAME", name).replace("TASK", task).replace("METRIC", metric)
        (root / "holdfast.toml").write_text(text)
        entry = ModelEntry(name=name, root=str(root), text=text, added_at=self.clock.now())
        with self.container.store.begin() as tx:
            self.container.store.models.save(tx, entry)

    def add_version(self, model: str, number: int, value: float = 0.71, **changes: Any) -> Version:
        folder = self.projects / "bundles" / f"{model}-{number}"
        folder.mkdir(parents=True)
        (folder / "reference.json").write_bytes(_reference().to_json())
        manifest = write_bundle(
            folder, model=model, task="binary", signature=_signature(), predictor="native",
            native="pickle", run=f"run{number}", dataset="d", created_at=self.clock.now(),
            key=b"k" * 32,
        )  # fmt: skip
        version = Version(
            model=model, number=number, run=digest(f"run{number}".encode())[7:39],
            bundle=manifest.digest, bundle_path=str(folder), dataset=digest(b"%d" % number),
            code=CodeVersion(digest=digest(b"code"), commit="3f9c2b1a77de00"), lock="lock",
            task="binary", created_at=self.clock.now(), data_start=NOW - 400 * DAY,
            metrics=(Metric(name="roc_auc", value=value, low=value - 0.006, high=value + 0.006),),
            data_end=self.clock.now() - DAY, parent=number - 1 or None, predictor="onnx",
        )  # fmt: skip
        version = replace(version, **changes)
        with self.container.store.begin() as tx:
            self.container.store.versions.save(tx, version)
        return version

    def arm(self, model: str, number: int, weight: float = 1.0) -> Arm:
        return Router(self.container).arm(model, number, weight)

    def route(
        self, model: str, *arms: Arm, reason: str, actor: str = "holdfast", **more: Any
    ) -> None:
        with self.container.store.begin() as tx:
            Router(self.container).write(tx, model, arms, actor=actor, reason=reason, **more)

    def release(self, release: Release, *, begins: bool = False) -> None:
        kind, say = ("release.started", started) if begins else ("release.moved", moved)
        with self.container.store.begin() as tx:
            Router(self.container).save(tx, release, kind, release.actor, say(release))

    def go_live(
        self, model: str, number: int, state: ReleaseState = ReleaseState.PROMOTED
    ) -> Release:
        previous = self.container.ask(self.container.store.routes.current, model)
        release = Release(
            id=f"rel-{model}-{number}", model=model, version=number, plan=PLAN, state=state,
            previous=None if previous is None else previous.champion.version,
            started_at=self.clock.now() - timedelta(hours=30), step_at=self.clock.now(),
            actor="ana", reason="shown to be as good on 5,210 labelled rows",
        )  # fmt: skip
        self.release(release)
        self.route(model, self.arm(model, number), reason=moved(release))
        return release

    def verdict(self, model: str, number: int, *checks: Check) -> None:
        outcomes = {check.outcome for check in checks}
        worst = next(one for one in ("fail", "inconclusive", "pass") if one in outcomes)
        verdict = Verdict(
            id=f"vrd-{model}-{number}", model=model, version=number, champion=number - 1 or None,
            outcome=worst, checks=checks, rows=16_120, created_at=self.clock.now(),
        )  # fmt: skip
        with self.container.store.begin() as tx:
            self.container.store.verdicts.add(tx, verdict)

    def tell(self, kind: str, sentence: str, **body: Any) -> None:
        with self.container.store.begin() as tx:
            self.container.store.events.append(
                tx, self.clock.now(), kind, MODEL, "holdfast", {"sentence": sentence, **body}
            )

    def serve(self, model: str, *names: str, epoch: int | None = None) -> None:
        route = self.container.ask(self.container.store.routes.current, model)
        assert route is not None
        for place, name in enumerate(names):
            self.container.heard_of(
                ServerReport(
                    server=name,
                    url=f"http://127.0.0.1:{8080 + place}",
                    pid=4211 + place,
                    epochs={model: route.epoch if epoch is None else epoch},
                    at=self.container.wall(),
                )
            )

    def keep_look(self, model: str, look: Look) -> None:
        """A look over all that happened, kept as one for each time that a version was live."""
        store, now = self.container.store, self.clock.now()
        lived = stints(self.container.ask(store.routes.history, model, 10_000))
        for one in lived:
            version = self.container.version_record(model, one.version)
            data = look_json(
                _cut(look, one, last=one is lived[-1]), version, one.since, _reference(), Monitor()
            )
            with store.begin() as tx:
                store.looks.save(tx, model, one.version, one.since, now, data)

    def predictions(self, model: str, version: int, rows: int = 2400) -> None:
        start = self.clock.now() - DAY
        places = (start + DAY * ((i / rows) ** 0.8) for i in range(rows))
        frame = pl.DataFrame({"at": list(places)}).with_columns(
            pl.int_range(rows).cast(pl.String).alias("prediction_id"),
            pl.lit("live").alias("role"), pl.lit("").alias("error"),
            pl.lit(version, pl.Int64).alias("version"), pl.lit(3, pl.Int64).alias("epoch"),
            pl.lit(0.002).alias("seconds"), pl.lit("True").alias("prediction"),
            pl.lit(0.3).alias("score"), pl.lit("r").alias("request"), pl.lit("x").alias("id"),
            pl.lit(None, pl.List(pl.Float64)).alias("scores"),
            pl.lit(True).alias("inputs"),
        ).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())  # fmt: skip
        self.container.log.write({model: frame}, "test-1")


def _cut(look: Look, stint: Stint, *, last: bool) -> Look:
    """The blocks of a look that one version was live in, some of them only in part."""
    end = stint.until or look.until + DAY
    within = [i for i, s in enumerate(look.starts) if stint.since - DAY < s < end]
    part = slice(within[0], within[-1] + 1)
    return dataclasses.replace(
        look, starts=look.starts[part], rows=look.rows[part], estimates=look.estimates[part],
        quality=look.quality[part], adapted=look.adapted[part],
        drift=tuple(_part(one, part) for one in look.drift) if last else (),
        sliced=tuple(_part(one, part) for one in look.sliced) if last else (),
    )  # fmt: skip


def _part(drift: Drift, part: slice) -> Drift:
    names = ("rows", "effect", "low", "high", "log_m", "harm", "declared")
    return dataclasses.replace(drift, **{name: getattr(drift, name)[part] for name in names})


def _signature() -> Signature:
    inputs = tuple(Field(name=name, type="double") for name in FEATURES)
    outputs = tuple(Field(name=name, type="double") for name in ("prediction", "probability"))
    return Signature(inputs=inputs, outputs=outputs, classes=(False, True))


def _reference() -> Reference:
    bins = Bins(column="prediction", kind="numeric", edges=(0.5,))
    counts = ColumnSummary(column="prediction", counts=(9, 1, 0), n=10)
    summary = Summary(model=MODEL, version=1, hour=NOW, slice="", rows=10, columns=(counts,))
    return Reference(
        bins=(bins,), summaries=(summary,), loss=0.142, loss_low=0.139, loss_high=0.145, rows=16_120
    )


ARMING = Arming(
    policy="p",
    monitors=(
        Armed(
            monitor="realised_loss",
            budget=0.5,
            replayed=0.02,
            first=0.02,
            raised=1.0,
            armed=True,
            sentence="0.02 false pages a month in 60 rehearsed months; 0.50 are granted",
        ),
        Armed(
            monitor="estimated_loss",
            budget=0.3,
            replayed=0.9,
            first=0.9,
            raised=64.0,
            armed=False,
            sentence="unarmed: 0.90 false pages a month in 60 rehearsed months, whatever the run "
            "length; 0.30 are granted",
        ),
    ),
)


def make_look(start: datetime, blocks: int, *, labelled: int, few: bool = False) -> Look:
    """A look as the monitor makes them, with the loss rising a while and falling again."""
    rng = np.random.default_rng(7)
    starts = tuple(start + DAY * i for i in range(blocks))
    rows = [150 if few else 880 + int(60 * math.sin(i)) for i in range(blocks)]
    level = [0.143 + 0.05 * math.exp(-(((i - 15) / 2.6) ** 2)) for i in range(blocks)]
    noise = rng.normal(0, 0.004, (2, blocks))
    estimates = tuple(
        Estimate(rows=n, value=v - 0.003 + e, low=v - 0.013 + e, high=v + 0.007 + e, error=0.005)
        if n >= 200 else Estimate(rows=n, reason=f"not enough data: {n} predictions")
        for n, v, e in zip(rows, level, noise[0], strict=True)
    )  # fmt: skip
    adapted = tuple(
        Estimate(rows=n, value=v + 0.001 - e, low=v - 0.014, high=v + 0.016, error=0.006)
        if i > blocks - 12 else Estimate(rows=n, reason="its rows were not looked at")
        for i, (n, v, e) in enumerate(zip(rows, level, noise[0], strict=True))
    )  # fmt: skip
    cohorts = tuple(
        Cohort(start=s, rows=n, labelled=n if i < labelled - 2 else n // 3, loss=v + e,
               low=v + e - 0.012, high=v + e + 0.012,
               corrected=Corrected(v + 0.012, v - 0.005, v + 0.029)
               if i == labelled - 2 else Corrected(reason="fewer than 30 labels")
               if i == labelled - 1 else None)
        if i < labelled else Cohort(start=s, rows=n, labelled=0)
        for i, (s, n, v, e) in enumerate(zip(starts, rows, level, noise[1], strict=True))
    )  # fmt: skip
    return Look(
        until=start + DAY * blocks, starts=starts, rows=tuple(rows), findings=(),
        drift=tuple(_drift(name, i, rows) for i, name in enumerate(("prediction", *FEATURES))),
        estimates=estimates, quality=cohorts, labels=12_480 if labelled else 0,
        adapted=adapted, arming=ARMING,
        track=(Track("calibrated", 22, 21, -0.002, 0.006), Track("adapted", 0, 0)),
        sliced=tuple(_sliced(rows)),
        slices="origin=EWR, origin=JFK; not enough data in 1 other slice",
    )  # fmt: skip


def _drift(name: str, place: int, rows: list[int]) -> Drift:
    n = len(rows)
    rise = np.clip((np.arange(n) - n + 12) / 40, 0, 1) * {
        "visibility": 1.0,
        "temperature": 0.55,
    }.get(name, 0.0)
    effect = 0.03 + 0.012 * np.abs(np.sin(np.arange(n) + place)) + rise
    known = np.array(rows) >= 200
    effect = np.where(known, effect, np.nan)
    floor = 0.1 + 0.01 * place
    shares = name in ("carrier", "origin")
    return Drift(
        column=name, measure="total_variation" if shares else "rank_wasserstein",
        rows=np.array(rows), effect=effect, low=effect - 0.02, high=effect + 0.02,
        floor=np.full(n, floor), span=np.ones(n, dtype=np.int64), log_m=np.zeros(n),
        harm=np.where(known, 0.08 * rise - 0.001, np.nan),
        declared=known & (effect - 0.02 > floor) & (name == "visibility"),
    )  # fmt: skip


def _sliced(rows: list[int]) -> Iterator[Drift]:
    """What moved in one slice, and what did not in another."""
    few = [n // 3 for n in rows]
    moved, still = _drift("visibility", 6, few), _drift("carrier", 2, few)
    yield dataclasses.replace(moved, slice="origin=JFK", column="temperature")
    yield dataclasses.replace(still, slice="origin=EWR")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of an installation that nobody used yet."""
    home = tmp_path_factory.mktemp("migrated")
    container = Container(prepare(load_settings(home, {"HOLDFAST_HOME": str(home)})))
    container.store.close()
    return home / "holdfast.db"


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with five versions of the model of flights."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    registry = MlflowRegistry(f"sqlite:///{file}", file.parent)
    with registry._client.calls() as client:
        client.create_registered_model(MODEL)
        for _ in range(5):
            client.create_model_version(MODEL, source=str(file.parent))
    return file


@pytest.fixture
def registered(busy: World, mlflow_database: Path) -> World:
    """The busy installation with its MLflow, so that orders can be given."""
    shutil.copy(mlflow_database, busy.container.settings.home / "mlflow.db")
    return busy


@pytest.fixture
def make_world(tmp_path: Path, migrated: Path) -> Callable[..., World]:
    """Makes an empty installation; keywords are environment variables of its settings."""

    def make(**environ: str) -> World:
        home = tmp_path / "home"
        settings = prepare(load_settings(tmp_path, {"HOLDFAST_HOME": str(home), **environ}))
        if not (home / "holdfast.db").exists():
            shutil.copy(migrated, home / "holdfast.db")
        clock = Clock()
        return World(Container(settings, clock=clock), clock, tmp_path / "projects")

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> Iterator[World]:
    world = make_world()
    yield world
    world.container.store.close()


@contextmanager
def running(
    container: Container, environ: Mapping[str, str] | None = None
) -> Iterator[httpx.Client]:
    """The real application on a free port, and a client that follows redirects."""
    config = server_config(create_app(container, reconcile=False), environ or {})
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, follow_redirects=True, timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def run() -> Callable[..., AbstractContextManager[httpx.Client]]:
    return running


@pytest.fixture
def client(busy: World) -> Iterator[httpx.Client]:
    """A client of the busy installation."""
    with running(busy.container) as client:
        yield client


@pytest.fixture
def busy(world: World) -> World:
    """Models in every situation; the first has a month behind it, and a canary under way."""
    fill_flights(world)
    world.clock.time = NOW - 3 * DAY
    world.add_model("churn")
    world.add_model("fares", task="regression", metric="r2")
    world.add_version("fares", 1, metrics=(Metric(name="r2", value=0.62, low=0.6, high=0.64),))
    world.go_live("fares", 1)
    world.keep_look(
        "fares", make_look(NOW.replace(hour=0, minute=0) - 3 * DAY, 3, labelled=0, few=True)
    )
    world.clock.time = NOW
    return world


def fill_flights(world: World) -> None:
    """A month of the model of flights."""
    ok = Check(name="champion", outcome="pass", low=-0.004, threshold=-0.01, value=0.002,
               sentence="roc_auc is 0.002 higher than version 2 on the same 16,120 rows (95 % "
               "bounds 0.004 lower to 0.008 higher); at most 0.010 lower is allowed")  # fmt: skip
    fast = Check(name="latency", outcome="pass", sentence="one row takes 1.9 ms at the 99th "
                 "percentile; at most 20 ms is allowed", value=0.0019)  # fmt: skip
    bad = Check(name="slice", outcome="fail", sentence="where origin is LGA (5,022 rows) the loss "
                "is 0.024 higher than that of version 3 (at least 0.015 higher); at most 0.010 is "
                "allowed")  # fmt: skip
    thin = Check(name="behaviour", outcome="inconclusive", sentence="1 of 9 behaviour checks was "
                 "skipped: test_storms needs data of winter")  # fmt: skip
    world.clock.time = NOW - 31 * DAY
    world.add_model(MODEL)
    for number, days in ((1, 30), (2, 19), (3, 11)):
        world.clock.time = NOW - (days + 1) * DAY
        world.add_version(MODEL, number, 0.700 + 0.006 * number)
        world.verdict(MODEL, number, ok, fast)
        world.tell("job.done", f"train: version {number} was registered")
        world.clock.time = NOW - days * DAY
        world.go_live(MODEL, number)
    _trouble(world)
    world.clock.time = NOW - 2 * DAY
    world.add_version(MODEL, 4, 0.724)
    world.verdict(MODEL, 4, ok, fast)
    world.clock.time = NOW - timedelta(hours=30)
    world.add_version(MODEL, 5, 0.731, predictor="native",
                      predictor_note="skl2onnx has no converter for TargetEncoder")  # fmt: skip
    world.verdict(MODEL, 5, bad, thin, ok, fast)
    world.clock.time = NOW - timedelta(hours=20)
    canary = Release(
        id="rel-canary", model=MODEL, version=4, previous=3, plan=PLAN, state=ReleaseState.CANARY,
        started_at=NOW - timedelta(hours=26), step_at=NOW - timedelta(hours=20), actor="holdfast",
        step=1, reason="2,310 pairs agree; answers 25 % of the traffic",
        evidence=Evidence(
            pairs=3210, errors=1, disagreement=0.031, expected=0.028, log_e_disagree=0.4,
            labelled=1204, loss_difference=-0.0042, log_e_fine=1.3, latency_p99=0.0041,
        ),
    )  # fmt: skip
    world.release(canary)
    world.route(MODEL, world.arm(MODEL, 3, 0.75), world.arm(MODEL, 4, 0.25), reason=moved(canary),
                mirror=True)  # fmt: skip
    world.clock.time = NOW
    world.keep_look(MODEL, make_look(NOW.replace(hour=0, minute=0) - 29 * DAY, 29, labelled=25))
    world.predictions(MODEL, 3)
    world.serve(MODEL, "edge-1", "edge-2")
    with world.container.store.begin() as tx:
        world.container.store.jobs.enqueue(
            tx, "train:x", "train", MODEL, {"origin": "loop"}, NOW - timedelta(minutes=3)
        )


EXPLAINED = Attribution(
    since=NOW - 16 * DAY, rows=2640, expected=Carried(0.029, 0.024, 0.034), measured=0.045,
    unexplained=0.016, inputs_sum=0.041,
    causes=(
        Cause("input", "visibility", Carried(0.021, 0.017, 0.025), sure=True, rows=2640),
        Cause("slice", "origin=EWR", Carried(0.012, 0.008, 0.016), sure=True, rows=930, mix=0.002),
        Cause("input", "carrier", Carried(0.004, -0.001, 0.009), sure=False, rows=2640),
    ),
)  # fmt: skip


def _trouble(world: World) -> None:
    """Version 2 goes wrong, a retraining cures it; then an input of version 3 moves."""
    store = world.container.store
    world.clock.time = NOW - 13 * DAY
    loss = Finding(
        id="fnd-loss", model=MODEL, version=2, kind="realised_loss", subject="loss", pages=True,
        since=NOW - 16 * DAY, at=NOW - 13 * DAY, value=0.187, low=0.176, high=0.198,
        reference=0.142, rows=1830, sentence="The measured loss of version 2 has been 0.187 (0.176 "
        "to 0.198) since 4 July 2013; on held-out rows it was 0.142, and up to 0.165 is tolerated. "
        "Found after 1,830 labels.",
    )  # fmt: skip
    moved_on = Finding(
        id="fnd-drift", model=MODEL, version=3, kind="input_drift", subject="visibility",
        pages=False, since=NOW - 6 * DAY, at=NOW - 2 * DAY, value=0.31, low=0.29, high=0.33,
        reference=0.16, rows=5210, harm=0.024, sentence="The input 'visibility' has moved from the "
        "held-out rows since 14 July 2013: rank distance 0.31 (at least 0.29), where up to 0.16 is "
        "usual.",
    )  # fmt: skip
    retrain = Decision(id="dec-1", model=MODEL, version=2, action="retrain", trigger="quality",
                       reason=loss.sentence, at=NOW - 13 * DAY, findings=("fnd-loss",))  # fmt: skip
    alert = Decision(id="dec-2", model=MODEL, version=3, action="alert", trigger="drift",
                     reason=moved_on.sentence + " No retraining now: a retraining is already under "
                     "way.", at=NOW - 2 * DAY, findings=("fnd-drift",))  # fmt: skip
    closed = Incident(
        id="inc-closed", model=MODEL, version=2, state="closed", title=loss.sentence, paged=True,
        opened_at=NOW - 13 * DAY, closed_at=NOW - 11 * DAY, closed_because="version 3 went live",
        findings=("fnd-loss",), decisions=("dec-1",),
        causes=causes_of((loss,), EXPLAINED, 200),
    )  # fmt: skip
    current = Incident(
        id="inc-open", model=MODEL, version=3, state="open", title=alert.reason,
        opened_at=NOW - 2 * DAY, findings=("fnd-drift",), decisions=("dec-2",),
        causes=causes_of((moved_on,), None, 200),
    )  # fmt: skip
    world.tell("finding.established", loss.sentence)
    world.tell("decision.made", f"retrain: {retrain.reason}")
    with store.begin() as tx:
        for finding in (loss, moved_on):
            store.findings.add(tx, finding)
        for decision in (retrain, alert):
            store.decisions.add(tx, decision)
        for incident in (closed, current):
            store.incidents.save(tx, incident)
    world.tell("incident.opened", closed.title)
    world.clock.time = NOW - 2 * DAY
    world.tell("finding.established", moved_on.sentence)
    world.tell("incident.opened", current.title)
