"""What a replay records is what a server and its recorder would have."""

from __future__ import annotations

import shutil
from datetime import timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from holdfast.bundle.columns import from_rows, to_values
from holdfast.bundle.predictor import open_bundle
from holdfast.loop.record import counts_of
from holdfast.loop.releasing import Releasing
from holdfast.loop.replay.history import Columns, History, read_project
from holdfast.loop.replay.traffic import SECONDS, Traffic
from holdfast.loop.replay.world import ReplayContainer
from holdfast.recording.frames import frames
from holdfast.recording.progress import UNDER_WAY
from holdfast.records.prediction import PredictionBatch

DAY = timedelta(days=1)


def _opened(home: Any) -> tuple[ReplayContainer, History]:
    """The same home as an installation of a replay, and its history since two days ago."""
    container, spec = home.container, home.container.spec("tiny")
    shutil.copy(home.project / "clock", home.home / "clock")
    code = container.user_code(spec, home.home / "load.log", {})
    history = read_project(spec.data, Columns(), spec.root, code)
    return ReplayContainer.make(home.home, spec, home.clock.now()), history


def _served(container: ReplayContainer, rows: pl.DataFrame, epoch: int) -> pl.DataFrame:
    """The rows of the log as they come out of a server's records, one request a row."""
    version = container.version("tiny", 1)
    predictor = open_bundle(version.bundle_path, key=container.key)
    names = tuple(field.name for field in predictor.manifest.signature.inputs)
    batches = []
    for row in rows.to_dicts():
        columns = from_rows([{name: row[name] for name in names}], predictor.manifest.signature)
        found, values = predictor.predict(columns, 1), to_values(columns)
        batches.append(
            PredictionBatch(
                request=row["_row"], model="tiny", version=1, epoch=epoch,
                at=row["at"].timestamp(), role="live", names=names,
                columns=[values[name] for name in names], ids=[row["row"]],
                predictions=found.prediction.tolist(), scores=found.probability.tolist(),
                seconds=SECONDS,
            )
        )  # fmt: skip
    return frames(batches)["tiny"]


def test_the_log_and_the_summaries_are_those_of_a_recorder(live: Any) -> None:
    container, history = _opened(live)
    begin = history.span[1] - 2 * DAY
    begin = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    traffic = Traffic(container, history.rows)
    steps = [begin + place * DAY / 4 for place in range(9)]
    for since, until in pairwise(steps):
        traffic.play(since, until)
        traffic.play(since, until)  # as after a crash
    log = container.log.scan("tiny").collect().sort("at")
    rows = history.rows.filter((pl.col("at") >= begin) & (pl.col("at") < steps[-1]))
    route = container.ask(container.store.routes.current, "tiny")
    assert route is not None
    expected = _served(container, rows, route.epoch).sort("at").select(log.columns)
    assert log.height == rows.height == 100
    numbers = ["score"]
    assert log.drop(numbers).equals(expected.drop(numbers))
    assert (log["score"] - expected["score"]).abs().max() < 1e-5  # type: ignore[operator]
    assert container.recorded_until() == container.clock.now() - timedelta(seconds=UNDER_WAY)

    reference = container.reference(container.version("tiny", 1))
    counted = container.summaries.load("tiny", 1, begin, steps[-1])
    assert counted is not None
    whole = counts_of(expected, reference, "tiny", 1)
    order = ["hour", "slice", "column"]
    numeric = [name for name, kind in counted.schema.items() if kind.is_integer()]
    keys = [name for name in order if name in counted.columns]
    assert counted.sort(keys).select(keys + numeric).equals(whole.sort(keys).select(keys + numeric))


def test_labels_come_when_they_are_known_and_once(live: Any) -> None:
    container, history = _opened(live)
    begin = history.span[1] - DAY
    traffic = Traffic(container, history.rows)
    traffic.play(begin, begin + DAY / 2)
    assert traffic.learn(begin, begin + DAY / 2) == 25
    traffic.learn(begin, begin + DAY / 2)
    labels = container.labels.scan("tiny").collect()
    assert labels.height == 25
    assert labels["label"].unique().sort().to_list() == ["false", "true"]
    assert (labels["at"] <= labels["received_at"]).all()


def test_while_a_release_is_under_way_both_answer_the_same_rows(live: Any) -> None:
    live.edit('strategy = "direct"', 'strategy = "canary"\nsteps = [0.3]')
    Releasing(live.container).start("tiny", version=2, actor="ana")
    container, history = _opened(live)
    begin = history.span[1] - 4 * DAY
    Traffic(container, history.rows).play(begin, history.span[1])
    log = container.log.scan("tiny").collect()
    assert set(log["version"].unique()) == {1, 2}
    each = log.group_by("prediction_id").agg(pl.col("role").sort(), pl.col("version").sort())
    assert each["role"].to_list() == [["live", "shadow"]] * each.height
    assert each["version"].to_list() == [[1, 2]] * each.height
