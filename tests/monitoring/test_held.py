"""A loss that nobody agreed to keeps an incident open; one that is back ends it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.held import hold, outlives
from holdfast.records import Reference
from holdfast.records.finding import HELD
from holdfast.spec import Monitor

DAY = timedelta(days=1)
POLICY = Monitor()
LEVEL = 0.18
BAD = Reference(bins=(), summaries=(), loss=0.35, loss_low=0.34, loss_high=0.36, rows=9000)


def _known(losses: np.ndarray, start, per_day: int = 200) -> pl.DataFrame:
    step = np.timedelta64(86_400_000_000 // per_day, "us")
    at = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(losses.size) * step
    frame = pl.DataFrame({"at": at, "label_at": at, "loss": losses.astype(float)})
    return frame.with_columns(pl.col("at", "label_at").dt.replace_time_zone("UTC"))


def _hold(losses: np.ndarray, start, days: float, per_day: int = 200):
    return hold(
        _known(losses, start, per_day), LEVEL, BAD, POLICY, model="late", version=3, since=start,
        until=start + days * DAY,
    )  # fmt: skip


def _coins(chance: float, rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(rows) < chance


def test_a_loss_that_the_version_itself_tolerates_is_found(start):
    held = _hold(_coins(0.35, 2000), start, 10)
    assert not held.back
    finding = held.finding
    assert (finding.kind, finding.subject, finding.pages) == ("realised_loss", HELD, True)
    assert (finding.reference, finding.version) == (LEVEL, 3)
    assert finding.value == pytest.approx(0.35, abs=0.03)
    assert "up to 0.180 was tolerated when the incident began" in finding.sentence
    assert _hold(_coins(0.35, 2000), start, 10).finding.id == finding.id


def test_a_loss_within_the_level_is_back_after_some_blocks_and_labels(start):
    assert _hold(_coins(0.15, 800), start, 4) == (None, True)
    assert _hold(_coins(0.15, 400), start, 2) == (None, False), "two blocks may be luck"
    assert _hold(_coins(0.15, 150), start, 9, 20) == (None, False), "so may be 150 labels"
    assert not _hold(np.zeros(0), start, 9).back


def test_it_is_back_by_its_newest_labels_whatever_was_before(start):
    losses = np.concatenate([_coins(0.35, 400), _coins(0.1, 2000)])
    assert _hold(losses, start, 12) == (None, True)


def test_false_findings_stay_within_the_budget(start):
    """At the level itself, the worst case: at most half a page a month; 3 sd."""
    found = sum(
        _hold(_coins(LEVEL, 6000, seed), start, 30).finding is not None for seed in range(30)
    )
    assert found / 30 <= 0.5 + 3 * np.sqrt(0.5 / 30)


@pytest.mark.parametrize(
    ("level", "loss", "again", "stays"),
    [
        (0.18, 0.35, False, True),
        (0.18, 0.10, False, False),
        (0.18, 0.10, True, True),
        (None, 0.35, True, False),
    ],
)
def test_which_incident_outlives_its_version(level, loss, again, stays):
    reference = msgspec.structs.replace(BAD, loss=loss, loss_high=loss + 0.01)
    assert outlives(level, reference, POLICY, again=again) is stays
