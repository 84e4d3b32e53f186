"""Traffic that the real recorder has drained, without servers: a month takes a second."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, insert, select, text

from holdfast.store.database import Database
from holdfast.store.tables import metadata

FEATURES = ("size", "heat", "kind")


def play(home: Any, days: int, *, wrong: bool = False, rows: int = 240) -> list[str]:
    """Some days of predictions by what is live, with their labels six hours later.

    Args:
        home: the installation; its clock is moved.
        days: how many.
        wrong: the world has turned round: what was true is false.
        rows: a day.

    Returns:
        The ids.
    """
    from holdfast.bundle.columns import from_rows
    from holdfast.bundle.predictor import open_bundle
    from holdfast.loop.outcomes import add_labels
    from holdfast.loop.record import Summarising
    from holdfast.recording.recorder import Recorder
    from holdfast.recording.spool import FileSpool
    from holdfast.records.prediction import PredictionBatch
    from holdfast.serving.cache import RouteCache

    container = home.container
    route = container.ask(container.store.routes.current, "tiny")
    RouteCache(home.home / "serve", "routes-test.json").keep(route)
    version = container.version("tiny", route.champion.version)
    predictor = open_bundle(version.bundle_path, key=container.key)
    begin, end, labels = home.clock.now(), timedelta(days=days, hours=7), []
    rng = np.random.default_rng(int(begin.timestamp()))

    def answer(spool: FileSpool, at: datetime, n: int) -> None:
        size, heat = rng.normal(size=n), rng.normal(20, 5, size=n)
        kind = rng.choice(["east", "west"], size=n)
        score = 1.5 * size + 0.1 * (heat - 20) + np.where(kind == "east", 0.5, -0.5)
        truth = (rng.random(n) < 1 / (1 + np.exp(-score))) ^ wrong
        columns = [size.tolist(), heat.tolist(), kind.tolist()]
        asked = [dict(zip(FEATURES, row, strict=True)) for row in zip(*columns, strict=True)]
        found = predictor.predict(from_rows(asked, predictor.manifest.signature), n)
        ids = [f"{at:%m%d%H}-{i}" for i in range(n)]
        known = (at + timedelta(hours=6)).isoformat()
        labels.extend(
            {"row": name, "bad": bool(value), "known": known}
            for name, value in zip(ids, truth, strict=True)
        )
        assert spool.append(
            PredictionBatch(
                request=f"q{at:%m%d%H}",
                model="tiny",
                version=version.number,
                epoch=route.epoch,
                at=at.timestamp(),
                role="live",
                names=FEATURES,
                columns=columns,
                ids=ids,
                predictions=found.prediction.tolist(),
                scores=found.probability.tolist(),
                seconds=0.001,
            )
        )

    with FileSpool(home.home / "spool" / "test", 10**9, writer=f"w{begin:%m%d%H}") as spool:
        for hour in range(0, days * 24, 2):
            answer(spool, begin + timedelta(hours=hour), rows // 12)
        home.clock.advance(begin + end)
        add_labels(container, "tiny", labels)
        labelled = [label["row"] for label in labels]
        # A label counts from the first prediction after it on.
        answer(spool, begin + end + timedelta(minutes=1), 1)
    home.later(minutes=2)
    summarising = Summarising(container.settings, container.summaries)
    with Recorder(
        home.home / "spool", container.log, home.home / "recorder" / "main",
        clock=home.clock, sinks=[summarising],
    ) as recorder:  # fmt: skip
        while recorder.drain_once().lag_bytes:
            pass
        recorder.drain_once()
    return labelled


@pytest.fixture
def traffic() -> Callable[..., list[str]]:
    return play


SCRIPT = Path(__file__).with_name("dying.py")


class Dying:
    """A running ``dying.py``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, home: Any, scenario: str, point: str = "", **environment: str) -> int:
        """Starts a child; its pid."""
        order = {
            "project": str(home.project), "scenario": scenario, "point": point,
            "environment": {**home.environment, **environment},
        }  # fmt: skip
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> int:
        """Its wait status: the signal that killed it, or 0."""
        return int(self._process.stdout.readline())

    def run(self, home: Any, scenario: str, point: str = "", **environment: str) -> int:
        self.begin(home, scenario, point, **environment)
        return self.end()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def _state(container: Any) -> dict[str, Any]:
    """Everything that matters of an installation, without ids and times."""
    store = container.store
    with store.read() as tx:
        route = store.routes.current(tx, "tiny")
        jobs = store.jobs.recent(tx, "tiny", 1000)
        events = store.events.list(tx, limit=10_000)
        store.events.verify(tx)
        return {
            "route": (route.epoch, [(arm.version, arm.weight) for arm in route.arms]),
            "releases": sorted(
                (one.version, one.state, one.approvals)
                for one in store.releases.list(tx, "tiny", 1000)
            ),
            "events": Counter((one.kind, one.actor, _told(one)) for one in events),
            "jobs": sorted((one.kind, one.state, one.result.get("version", 0)) for one in jobs),
            "incidents": [one.state for one in store.incidents.list(tx, "tiny")],
            "findings": len(store.findings.list(tx, "tiny")),
            "decisions": [one.action for one in store.decisions.list(tx, "tiny")],
            "remembered": store.models.get(tx, "tiny").champion,
            "aliases": container.registry.aliases("tiny"),
            "versions": [version.number for version in container.registry.versions("tiny")],
        }


def _told(event: Any) -> str:
    """The sentence without what is measured anew."""
    sentence = str(event.body.get("sentence", ""))
    return re.sub(r"[0-9.]+ ?(µs|ms|s|MiB|kiB|KiB)\b", "…", sentence)


def _transfer(home: Any, url: str) -> None:
    """Copies the metadata of a home from its SQLite file to another database."""
    old, new = Database(f"sqlite:///{home.home / 'holdfast.db'}"), Database(url)
    new.migrate()
    with old.read() as source, new.begin() as target:
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in source.execute(select(table)).mappings()]
            if rows:
                target.execute(insert(table), rows)
    old.close()
    new.close()


@pytest.fixture(scope="module")
def dying() -> Iterator[Dying]:
    """Processes that are to die."""
    made = Dying()
    yield made
    made.close()


@pytest.fixture(scope="session")
def state() -> Callable[[Any], dict[str, Any]]:
    """Everything that matters of an installation."""
    return _state


@pytest.fixture(scope="session")
def transfer() -> Callable[[Any, str], None]:
    """Copies the metadata of a home to another database."""
    return _transfer


@pytest.fixture
def schema() -> Iterator[Callable[[], str]]:
    """Makes schemas in the server that ``scripts/postgres.sh`` started; their URLs."""
    engine = create_engine(os.environ["HOLDFAST_TEST_POSTGRES"], isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def make() -> str:
        made.append(f"loop_{uuid.uuid4().hex}")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {made[-1]}"))
        own = engine.url.update_query_dict({"options": f"-csearch_path={made[-1]}"})
        return own.render_as_string(hide_password=False)

    yield make
    with engine.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture
def database_url(schema: Callable[[], str]) -> str:
    """A schema of its own."""
    return schema()
