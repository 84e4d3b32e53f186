"""Redaction and sampling, from the spec to the monitor: real training, server and recorder."""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from holdfast.bundle.manifest import read_manifest
from holdfast.bundle.redaction import PREFIX, Redaction
from holdfast.loop.evidence import recorded_alike
from holdfast.loop.gating import gate_now
from holdfast.loop.looking import look_at
from holdfast.loop.outcomes import add_labels
from holdfast.loop.pipeline import train_now
from holdfast.loop.record import Summarising
from holdfast.loop.recorded import recorded_ids
from holdfast.loop.releasing import Releasing
from holdfast.monitoring.joint import JOINT
from holdfast.recording.frames import SCHEMA
from holdfast.recording.log import PredictionLog
from holdfast.recording.recorder import Recorder
from holdfast.recording.spool import FileSpool
from holdfast.records import RecordPolicy
from holdfast.serving.cache import RouteCache
from holdfast.serving.loader import bundle_loader
from holdfast.serving.requests import Caller
from holdfast.serving.server import ModelServer

SECRET_HEAT = 20.123456789
DECLARED = """
[monitor]
slices = ["kind"]

[record]
redact = {kind = "hash", row = "hash", heat = "drop"}
sample = 0.25
sample_above = "300B"
"""
BIG = 60


class World:
    """An installation that redacts, and some hours of answers by its first version."""

    def __init__(self, home: Any) -> None:
        self.home, self.container = home, home.container
        file = home.project / "holdfast.toml"
        file.write_text(file.read_text() + DECLARED)
        train_now(self.container)
        assert gate_now(self.container, "tiny", 1).outcome == "pass"
        Releasing(self.container).start("tiny", version=1, actor="ana")
        self.version = self.container.version("tiny", 1)
        self.begin = home.clock.now()
        self.answered: dict[str, int] = {}
        asyncio.run(self._answer())
        self.raw = b"".join(path.read_bytes() for path in (home.home / "spool").rglob("*.seg"))
        self._record()
        home.later(hours=12)

    async def _answer(self) -> None:
        route = self.container.ask(self.container.store.routes.current, "tiny")
        RouteCache(self.home.home / "serve", "routes-test.json").keep(route)
        rng = np.random.default_rng(3)
        with FileSpool(self.home.home / "spool", 2**28) as spool:
            server = ModelServer(
                "s", clock=self.home.clock, spool=spool,
                load=bundle_loader(key=self.container.key),
            )  # fmt: skip
            assert await server.apply(route)
            for number in range(200):
                # Every tenth request is a large one, and holds most of the rows.
                rows = [
                    self._row(rng, f"SECRET-{number}-{i}") for i in range(1 if number % 10 else BIG)
                ]
                live = server.pick("tiny")
                answer = await server.answer(
                    live, live.converter.records(rows),
                    Caller({}),
                )  # fmt: skip
                self.answered[answer.prediction_id] = len(rows)
                self.home.later(minutes=3)
            await server.close()

    def _row(self, rng: Any, name: str) -> dict[str, Any]:
        kind = ["east", "west"][rng.integers(2)]
        return {"row": name, "size": rng.normal(), "heat": SECRET_HEAT, "kind": kind}

    def _record(self) -> None:
        container = self.container
        with Recorder(
            self.home.home / "spool", container.log, self.home.home / "recorder" / "main",
            self.home.clock, sinks=[Summarising(container.settings, container.summaries)],
        ) as recorder:  # fmt: skip
            while recorder.drain_once().rows:
                pass

    def rows(self) -> pl.DataFrame:
        return self.container.log.scan("tiny").collect()


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any, project: Any) -> Iterator[World]:
    made = World(project(tmp_path_factory.mktemp("redacted") / "tiny"))
    yield made
    made.container.store.close()


def test_no_secret_touches_the_disk(world: World) -> None:
    everything = world.raw
    for name in ("spool", "log", "summaries"):
        for path in (world.home.home / name).rglob("*"):
            if path.is_file():
                everything += path.read_bytes()
    frame = world.rows()  # Parquet compresses, so it is read as well
    everything += frame.write_json().encode()
    everything += b"".join(
        pl.read_parquet(path).write_json().encode()
        for path in (world.home.home / "summaries").rglob("*.parquet")
    )
    assert b"size" in everything
    assert PREFIX.encode() in everything
    for secret in (b"SECRET", b"east", b"west", b"20.123456789", struct.pack(">d", SECRET_HEAT)):
        assert secret not in everything
    assert "f_heat" not in frame.columns


def test_every_prediction_is_recorded_whether_sampled_or_not(world: World) -> None:
    frame = world.rows()
    assert dict(frame.group_by("request").len().iter_rows()) == world.answered
    assert frame["score"].null_count() == 0
    away = frame.filter(~pl.col("inputs"))
    sizes = set(away.group_by("request").len()["len"].to_list())
    assert sizes == {BIG}
    assert 0 < away["request"].n_unique() < 20
    assert away["f_size"].null_count() == away.height
    kept = frame.filter("inputs")
    assert kept["f_size"].null_count() == 0
    assert kept["f_kind"].n_unique() == 2


def test_labels_of_raw_ids_find_hashed_predictions(world: World) -> None:
    now = world.home.clock.now().isoformat()
    names = [f"SECRET-{n}-{i}" for n in range(200) for i in range(1 if n % 10 else BIG)]
    labels = [{"row": name, "bad": True, "known": now} for name in names]
    by_answer = next(iter(world.answered)) + ":0"
    labels += [{"row": name, "bad": True, "known": now} for name in (by_answer, "stranger")]
    added = add_labels(world.container, "tiny", labels)
    assert added.unknown == 1
    text = b"".join(p.read_bytes() for p in (world.home.home / "labels").rglob("*.parquet"))
    assert b"SECRET" not in text
    seen = look_at(
        world.container, world.container.spec("tiny"), world.version, world.begin,
        world.home.clock.now(),
    )  # fmt: skip
    assert seen.labels == sum(world.answered.values())  # those sampled away too


def test_what_is_redacted_or_sampled_is_no_drift(world: World) -> None:
    reference = world.container.reference(world.version)
    assert {bins.column for bins in reference.bins} == {"prediction", "size", "kind"}
    slices = {summary.slice for summary in reference.summaries} - {""}
    hashed = Redaction(read_manifest(world.version.bundle_path).record, world.container.key)
    names = hashed.column("kind", ["east", "west"])
    assert slices == {f"kind={name}" for name in names or ()}
    counts = world.container.summaries.load("tiny", 1, world.begin, world.home.clock.now())
    assert counts is not None
    total = counts.filter(pl.col("slice") == "").group_by("column").agg(pl.col("n").sum())
    rows, kept = world.rows(), world.rows().filter("inputs").height
    assert dict(total.iter_rows()) == {
        "prediction": rows.height, "size": kept, "kind": kept, JOINT: kept,
    }  # fmt: skip
    by_slice = counts.filter(pl.col("slice") != "", pl.col("column") == "size")
    assert by_slice["n"].sum() == kept
    nulls = {b.column: b.cells - 1 for b in reference.bins}
    alone = counts.filter(pl.col("column") != JOINT)
    for column, cells in alone.select("column", "cells").iter_rows():
        assert nulls[column] not in cells  # nor is anything counted as missing


def test_an_id_stays_as_it_is_recorded_when_the_policy_changes() -> None:
    hashing = Redaction(RecordPolicy(redact={"row": "hash"}), bytes(32), "row")
    plain = Redaction(RecordPolicy(), None, "row")
    (old_hashed,) = hashing.ids(["old-hashed"]) or ()
    log = pl.LazyFrame({"id": ["old-plain", old_hashed]})
    prediction = "p-" + "0" * 24
    ids = pl.Series("id", ["old-plain", "old-hashed", "new", prediction, prediction + ":3"])
    (new,) = hashing.ids(["new"]) or ()
    found = recorded_ids(ids, [hashing, plain], lambda: log)
    assert found.to_list() == ["old-plain", old_hashed, new, prediction, prediction + ":3"]
    found = recorded_ids(ids, [plain, hashing], lambda: log)
    assert found.to_list() == ["old-plain", old_hashed, "new", prediction, prediction + ":3"]

    def unread() -> pl.LazyFrame:
        raise AssertionError("the log of months is read for nothing")

    assert recorded_ids(ids, [plain, plain], unread) is ids


@pytest.mark.parametrize("same", [True, False])
def test_a_release_compares_inputs_that_were_recorded_alike(
    world: World, tmp_path: Path, same: bool
) -> None:
    """Version 2 records what version 1 hashes: then only its own rows tell of its inputs."""
    first = world.version
    other = tmp_path / "2"
    shutil.copytree(first.bundle_path, other)
    if not same:
        manifest = msgspec.structs.replace(read_manifest(other), record=RecordPolicy())
        (other / "bundle.json").write_bytes(manifest.to_json())
    second = msgspec.structs.replace(first, number=2, bundle_path=str(other))
    log = PredictionLog(tmp_path / "log")
    at = world.begin + timedelta(minutes=1)
    rows = [("p-1", 1, "live"), ("p-1", 2, "shadow"), ("p-2", 2, "live"), ("p-3", 1, "live")]
    frame = pl.DataFrame(
        {"prediction_id": [row[0] for row in rows], "at": [at] * 4,
         "version": [row[1] for row in rows], "role": [row[2] for row in rows]},
        schema={name: SCHEMA[name] for name in ("prediction_id", "at", "version", "role")},
    )  # fmt: skip
    log.write({"tiny": frame}, "r-1")
    container = SimpleNamespace(log=log, version=lambda _, number: (first, second)[number - 1])
    release = SimpleNamespace(model="tiny", started_at=world.begin, previous=1)
    found = recorded_alike(container, release, second, at + timedelta(hours=1)).collect()
    pairs = sorted(zip(found["prediction_id"], found["version"], strict=True))
    live = [("p-1", 1), ("p-2", 2), ("p-3", 1)]
    assert pairs == (live if same else [("p-1", 2), ("p-2", 2)])


def test_the_policy_is_sealed_into_the_bundle(world: World) -> None:
    manifest = read_manifest(world.version.bundle_path)
    assert manifest.format == 2
    assert manifest.record == RecordPolicy(
        redact={"kind": "hash", "row": "hash", "heat": "drop"}, sample=0.25, sample_above=300
    )
    assert Path(world.version.bundle_path, "reference.json").read_bytes().find(b"east") == -1
