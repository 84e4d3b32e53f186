"""The watch over delays: quiet while labels come as ever, whatever they say; never a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from holdfast.monitoring.delays import watch_delays
from holdfast.monitoring.quality import labelled
from holdfast.spec import Monitor

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _world(
    seed: int, days: int = 40, since: int = 99, slower: float = 1.0, more: float = 0.0,
    lost: float = 0.0,
) -> pl.DataFrame:  # fmt: skip
    """From day ``since`` labels take longer, are positive more often, or get lost."""
    rng = np.random.default_rng(seed)
    n = days * 300
    at = np.sort(rng.uniform(0, 86_400 * days, n))
    changed = at >= since * 86_400
    score = np.clip(rng.beta(2, 3, n) + more * changed, 0, 1)
    label = rng.random(n) < score
    delay = rng.exponential(np.where(label, 12.0, 4.0)) * 3600 * np.where(changed, slower, 1.0)
    gone = changed & (rng.random(n) < lost)
    frame = pl.DataFrame({"at": at, "score": score, "label": label, "label_at": at + delay})
    micros = ((pl.col("at", "label_at") + START.timestamp()) * 1e6).cast(pl.Int64)
    frame = frame.with_columns(micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    return frame.with_columns(label=pl.when(~pl.Series(gone)).then("label"))


def _watch(frame: pl.DataFrame, days: int = 40):
    until = START + days * DAY
    known = labelled(frame, until, task="binary", positive=True)
    return watch_delays(
        frame, known, Monitor(), task="binary", model="late", version=1, since=START, until=until,
        length=DAY, positive=True,
    )  # fmt: skip


def test_quiet_while_labels_come_as_ever() -> None:
    """Also when other labels come, which take another time: of 30 streams none speaks."""
    assert [_watch(_world(seed)) for seed in range(15)] == [None] * 15
    assert [_watch(_world(seed, since=20, more=0.2)) for seed in range(15)] == [None] * 15


def test_slower_labels_are_found_and_do_not_page() -> None:
    finding = _watch(_world(3, since=25, slower=2.5))
    assert finding is not None
    assert not finding.pages
    assert finding.kind == "label_delay"
    assert abs(finding.since - (START + 25 * DAY)) <= 2 * DAY
    assert "hours" in finding.sentence
    assert finding.value > finding.reference


def test_labels_that_no_longer_come_are_found() -> None:
    finding = _watch(_world(4, since=25, lost=0.6))
    assert finding is not None
    assert "was usual" in finding.sentence


def test_nothing_is_said_before_there_is_anything_to_compare() -> None:
    assert _watch(_world(5, days=5), 5) is None
    assert _watch(_world(6).with_columns(label=pl.lit(None, pl.Boolean))) is None
