"""A whole look: correction, rehearsal, adapted estimates and their record come together."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from holdfast.monitoring.arming import arm
from holdfast.monitoring.count import count
from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.look import look
from holdfast.spec import Monitor

DAY = timedelta(days=1)


def test_a_look_says_how_good_its_estimates_were_and_how_its_monitors_did(
    world, reference, start
) -> None:
    frame = world(77, 800, 12)
    late = pl.when("label").then(timedelta(hours=12)).otherwise(timedelta(hours=4))
    outcomes = frame.select("at", "label", score="prediction", label_at=pl.col("at") + late)
    summaries = count(frame, reference, model="late", version=1)
    until = start + 12 * DAY
    past = Estimate(rows=800, value=0.5, low=0.49, high=0.51)
    rehearsed = arm(reference, Monitor())
    seen = look(
        reference, summaries, outcomes, Monitor(), task="binary", model="late", version=1,
        since=start, until=until, positive=True, metrics=["neg_calibration_error"],
        arming=rehearsed, rows=frame.filter(pl.col("at") >= start + 5 * DAY),
        adapted={start + DAY: past},
    )  # fmt: skip
    assert seen.arming == rehearsed
    assert seen.adapted[1] == past
    assert "not enough data" in seen.adapted[0].reason
    assert all(one.value is not None for one in seen.adapted[5:])
    calibrated, adapted = seen.track
    assert (calibrated.estimate, adapted.estimate) == ("calibrated", "adapted")
    assert calibrated.blocks == 11
    assert calibrated.held >= 8
    assert (adapted.blocks, adapted.held < adapted.blocks) == (7, True)
    assert adapted.bias > 0
    young = seen.quality[-1]
    assert young.corrected is not None
    assert young.corrected.low <= young.corrected.loss <= young.corrected.high
    assert [one.name for one in seen.quality[0].metrics] == ["neg_calibration_error"]
