import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from holdfast.recording.frames import frames
from holdfast.recording.join import outcomes, pairs
from holdfast.recording.labels import SCHEMA

T = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
LATER = T + timedelta(days=1)


def labels(*rows):
    """Rows of id, label, seconds when it became known, seconds when it came."""
    words = [
        (name, label, T + timedelta(seconds=known), T + timedelta(seconds=came), seq)
        for seq, (name, label, known, came) in enumerate(rows)
    ]
    return pl.LazyFrame(words, schema=SCHEMA, orient="row")


@pytest.fixture
def log(batch):
    batches = [batch(n) for n in range(3)]
    batches += [batch(n, version=2, role="shadow", scores=[0.5]) for n in range(2)]
    return frames(batches)["delay"].lazy()


def test_predictions_with_what_was_known(log):
    known = labels(("flight-0-0", "true", 60, 61), ("flight-1-0", "false", 60, 90))
    found = outcomes(log, known, T + timedelta(seconds=70), ["f_carrier"])
    live = found.filter(pl.col("role") == "live").rows(named=True)
    assert [row["label"] for row in live] == ["true", None, None]
    assert live[0]["delay"] == 60.0
    assert live[0]["received_at"] == T + timedelta(seconds=61)
    assert live[0]["f_carrier"] == "AA"
    shadow = found.filter(pl.col("role") == "shadow")
    assert shadow["label"].to_list() == ["true", None]
    assert shadow["version"].to_list() == [2, 2]
    assert outcomes(log, known, LATER)["label"].null_count() == 1


def test_predictions_after_the_time_are_left_out(log):
    assert outcomes(log, labels(), T + timedelta(seconds=1)).height == 4
    assert outcomes(log, labels(), T - timedelta(seconds=1)).is_empty()


def test_labels_by_prediction_id_and_by_own_id(log):
    by_answer = labels(("r000000", "false", 50, 50), ("flight-1-0", "true", 50, 50))
    found = outcomes(log, by_answer, LATER).filter(pl.col("role") == "live")
    assert found["label"].to_list() == ["false", "true", None]
    both = labels(
        ("r000000", "false", 70, 70), ("flight-0-0", "true", 50, 80),
        ("r000001", "false", 50, 60), ("flight-1-0", "true", 50, 61),
        ("r000002", "false", 50, 62), ("flight-2-0", "true", 50, 61),
    )  # fmt: skip
    found = outcomes(log, both, LATER).filter(pl.col("role") == "live")
    assert found["label"].to_list() == ["false", "true", "false"]


def test_without_own_ids(batch):
    rows = frames([batch(0, rows=2, ids=None)])["delay"].lazy()
    found = outcomes(rows, labels(("r000000:1", "true", 1, 1)), LATER)
    assert found["label"].to_list() == [None, "true"]


def test_one_label_may_belong_to_several_predictions(batch):
    rows = frames([batch(0, ids=["same"]), batch(1, ids=["same"])])["delay"].lazy()
    found = outcomes(rows, labels(("same", "true", 1, 1), ("same", "false", 2, 2)), LATER)
    assert found["label"].to_list() == ["false", "false"]


def test_pairs_are_rows_both_versions_answered(batch):
    batches = [
        batch(0, version=1),
        batch(0, version=2, role="shadow", scores=[0.5], at=T.timestamp() + 0.5),
        batch(1, version=2, scores=[0.25], at=T.timestamp() + 1.5),
        batch(1, version=1, role="shadow", predictions=[], scores=[], error="boom"),
        batch(2, version=1),
        batch(3, version=3),
        batch(4, version=1, role="shadow"),
        batch(4, version=2, role="shadow"),
        batch(4, version=3),
    ]
    log = frames(batches)["delay"].lazy()
    known = labels(("flight-0-0", "true", 60, 61), ("r000001", "false", 60, 61))
    found = pairs(log, known, 2, 1, T, LATER)
    columns = ("answered_by", "score_a", "score_b", "error_a", "error_b", "label")
    assert found.select("prediction_id", *columns).rows() == [
        ("r000000", 1, 0.5, 0.75, "", "", "true"),
        ("r000001", 2, 0.25, None, "", "boom", "false"),
        ("r000004", None, 0.75, 0.75, "", "", None),
    ]
    assert found["at"].to_list()[:2] == [T, T + timedelta(seconds=1.5)]
    assert pairs(log, known, 2, 1, T, T + timedelta(seconds=60))["label"].null_count() == 3
    assert pairs(log, known, 2, 1, LATER, LATER).is_empty()


def test_a_version_that_answered_live_and_in_the_shadow_counts_once(batch):
    batches = [batch(0), batch(0, role="shadow", scores=[0.1]), batch(0, version=2, role="shadow")]
    found = pairs(frames(batches)["delay"].lazy(), labels(), 1, 2, T, LATER)
    assert found.select("answered_by", "score_a").rows() == [(1, 0.75)]


def test_three_hundred_thousand_rows_are_joined_quickly():
    rows = 300_000
    number = pl.Series(np.arange(rows))
    live = pl.DataFrame({"request": "r" + number.cast(pl.String)}).with_columns(
        prediction_id="request", id="flight-" + number.cast(pl.String),
        at=pl.lit(T) + pl.duration(seconds=number), version=pl.lit(1), role=pl.lit("live"),
        error=pl.lit(""), seconds=pl.lit(0.001), prediction=pl.lit("true"), score=pl.lit(0.5),
        scores=pl.lit(None, pl.List(pl.Float64)),
    )  # fmt: skip
    log = pl.concat([live, live.with_columns(version=pl.lit(2), role=pl.lit("shadow"))]).lazy()
    known = live.select(
        "id", label="prediction", at="at", received_at="at", seq=pl.lit(0, pl.Int64)
    ).lazy()
    until = T + timedelta(days=30)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        assert outcomes(live.lazy(), known, until)["label"].null_count() == 0
        middle = time.perf_counter()
        assert pairs(log, known, 1, 2, T, until).height == rows
        seconds.append((middle - begin, time.perf_counter() - middle))
    assert min(one for one, _ in seconds) < 2.0  # 0.1 and 0.3 s on two idle cores
    assert min(two for _, two in seconds) < 4.0
