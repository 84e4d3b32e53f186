"""A whole look: what is found, that it is found once, and that nothing is found in a calm world."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from holdfast.monitoring.count import count
from holdfast.monitoring.look import look
from holdfast.spec import Monitor

DAY = timedelta(days=1)
POLICY = Monitor(slices=("origin",))


def _look(frame, reference, start, until, policy=POLICY, outcomes=None):
    rows = count(frame, reference, model="late", version=2, slices=["origin"])
    if outcomes is None:
        outcomes = frame.select(
            "at", "label", score="prediction", label_at=pl.col("at") + timedelta(hours=6)
        )
    return look(
        reference, rows, outcomes, policy, task="binary", model="late", version=2, since=start,
        until=until, classes=(False, True), positive=True, metrics=["roc_auc"],
    )  # fmt: skip


def _shuffled_labels(frame, start, day):
    """From a day on, what comes true has nothing to do with the score: only labels can show it."""
    wrong = pl.when(pl.col("at") >= start + day * DAY).then(pl.col("prediction") < 0.3)
    return frame.with_columns(label=wrong.otherwise("label"))


def test_a_calm_world_is_calm(world, reference, start) -> None:
    for seed in range(5):
        seen = _look(world(seed, 600, 20), reference, start, start + 20 * DAY)
        assert seen.findings == ()
        assert len(seen.starts) == len(seen.estimates) == 20
        assert seen.rows == (600,) * 20
        assert [c.maturity for c in seen.quality[:19]] == [1.0] * 19
        assert all(one.value is not None for one in seen.estimates)
        assert seen.drift[0].column == "prediction"


def test_a_changed_meaning_pages_by_labels_only(world, reference, start) -> None:
    frame = _shuffled_labels(world(1, 600, 14), start, 8)
    seen = _look(frame, reference, start, start + 14 * DAY)
    assert [one.kind for one in seen.findings] == ["realised_loss"]
    finding = seen.findings[0]
    assert finding.pages
    assert abs(finding.since - (start + 8 * DAY)) < DAY
    assert all(one.low < reference.loss_high + 0.02 for one in seen.estimates)


def test_a_harder_world_pages_before_its_labels_come(world, reference, start) -> None:
    hard = pl.col("prediction").is_between(0.35, 0.65)
    frame = world(2, 1500, 14).filter((pl.col("at") < start + 8 * DAY) | hard)
    no_labels = frame.select(
        "at", score="prediction", label=pl.lit(None, dtype=pl.Boolean),
        label_at=pl.lit(None, dtype=pl.Float64),
    )  # fmt: skip
    seen = _look(frame, reference, start, start + 14 * DAY, outcomes=no_labels)
    kinds = {one.kind: one for one in seen.findings}
    assert set(kinds) == {"estimated_loss", "prediction_drift"}
    assert kinds["estimated_loss"].pages
    assert kinds["estimated_loss"].since == start + 8 * DAY
    assert not kinds["prediction_drift"].pages
    assert kinds["prediction_drift"].harm > 0.02
    assert seen.labels == 0


def test_looking_again_finds_the_same(world, reference, start) -> None:
    frame = _shuffled_labels(world(3, 600, 16, shift=1.0), start, 8)
    looks = [_look(frame, reference, start, start + days * DAY) for days in (12, 12, 14, 16)]
    assert looks[0].findings == looks[1].findings
    ids = [{one.id for one in seen.findings} for seen in looks]
    assert ids[0] == ids[2] == ids[3]
    assert {one.subject for one in looks[0].findings} == {"loss", "wind"}


def test_rows_after_until_do_not_exist(world, reference, start) -> None:
    frame = world(4, 600, 10)
    cut = frame.filter(pl.col("at") < start + 6 * DAY)
    until = start + 6 * DAY
    whole, part = (_look(f, reference, start, until) for f in (frame, cut))
    assert whole.findings == part.findings
    assert whole.quality == part.quality
    assert whole.rows == part.rows
    incomplete = _look(frame, reference, start, until + timedelta(hours=5))
    assert len(incomplete.starts) == 6
    assert len(incomplete.quality) == 7


def test_a_frozen_feed_pages_first(world, reference, start) -> None:
    frame = world(5, 600, 10).with_columns(
        wind=pl.when(pl.col("at") >= start + 8 * DAY).then(9.0).otherwise("wind")
    )
    seen = _look(frame, reference, start, start + 10 * DAY)
    assert (seen.findings[0].kind, seen.findings[0].subject) == ("contract", "wind.constant")
    assert seen.findings[0].pages


def test_silence_is_told_softly(world, reference, start) -> None:
    frame = world(6, 300, 5)
    seen = _look(frame, reference, start, start + 8 * DAY)
    (finding,) = seen.findings
    assert (finding.kind, finding.pages) == ("silence", False)
    assert finding.since == start + 5 * DAY
    assert _look(frame, reference, start, start + 6 * DAY).findings == ()


def test_hourly_blocks_and_times_in_seconds(world, reference, start) -> None:
    frame = world(7, 24 * 300, 1)
    outcomes = frame.select(
        pl.col("at").dt.epoch("us") / 1e6, "label", score="prediction",
        label_at=pl.col("at").dt.epoch("us") / 1e6,
    )  # fmt: skip
    policy = Monitor(block=timedelta(hours=1))
    seen = _look(frame, reference, start, start + DAY, policy, outcomes)
    assert len(seen.starts) == 24
    assert seen.labels == frame.height
    assert not any(one.pages for one in seen.findings)


def test_nothing_at_all(world, reference, start) -> None:
    seen = _look(world(8, 10).head(0), reference, start, start + DAY)
    assert seen.findings == ()
    assert seen.estimates[0].value is None
    assert seen.quality == ()


@pytest.mark.parametrize("days", [0, 1])
def test_before_the_first_block_is_over(world, reference, start, days) -> None:
    until = start + timedelta(days=days) + timedelta(hours=3)
    seen = _look(world(9, 600, 2), reference, start, until)
    assert len(seen.starts) == days
    assert seen.findings == ()
