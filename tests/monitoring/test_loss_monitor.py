"""The loss monitor: few false pages, real drops found, storms not mistaken for them."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.loss_monitor import episodes, monitor_loss, run_length, tolerated
from holdfast.records import Reference
from holdfast.spec import Monitor
from holdfast.statistics.eprocess import cusum

DAY = timedelta(days=1)
POLICY = Monitor()
REFERENCE = Reference(bins=(), summaries=(), loss=0.15, loss_low=0.14, loss_high=0.16, rows=9000)


def _known(losses: np.ndarray, start, per_day: int) -> pl.DataFrame:
    step = np.timedelta64(86_400_000_000 // per_day, "us")
    at = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(losses.size) * step
    frame = pl.DataFrame({"at": at, "label_at": at, "loss": losses.astype(float)})
    return frame.with_columns(pl.col("at", "label_at").dt.replace_time_zone("UTC"))


def _look(losses, start, per_day=500, reference=REFERENCE, policy=POLICY):
    until = start + (losses.size // per_day) * DAY
    return monitor_loss(
        _known(losses, start, per_day), reference, policy, model="late", version=2, since=start,
        until=until,
    ).open  # fmt: skip


def test_no_false_page_within_the_budget(start) -> None:
    """Losses at the held-out mean for 30 days: none of 30 streams pages (0.5 each allowed)."""
    rng = np.random.default_rng(0)
    pages = [_look((rng.random(15_000) < 0.15).astype(float), start) for _ in range(30)]
    assert sum(page is not None for page in pages) == 0


def test_at_the_boundary_the_budget_holds(start) -> None:
    """Losses exactly at what is tolerated, the worst case: at most half a page a month; 3 sd."""
    rng = np.random.default_rng(1)
    pages = sum(
        _look((rng.random(15_000) < 0.18).astype(float), start) is not None for _ in range(30)
    )
    assert pages / 30 <= 0.5 + 3 * np.sqrt(0.5 / 30)


def test_a_drop_is_found_with_its_beginning(start) -> None:
    rng = np.random.default_rng(2)
    losses = np.concatenate([rng.random(5000) < 0.15, rng.random(1000) < 0.35]).astype(float)
    finding = _look(losses, start)
    assert finding is not None
    assert finding.pages
    assert abs((finding.since - (start + 10 * DAY)).total_seconds()) < 0.2 * 86_400
    assert finding.at - finding.since < 0.6 * DAY
    assert finding.low < 0.35 < finding.high
    assert "0.150" in finding.sentence
    assert finding.log_e >= finding.log_threshold


def test_finding_it_twice_is_finding_it_once(start) -> None:
    rng = np.random.default_rng(3)
    losses = np.concatenate([rng.random(5000) < 0.15, rng.random(4000) < 0.4]).astype(float)
    seen = [_look(losses[: 500 * days], start) for days in range(1, 19)]
    ids = {one.id for one in seen if one is not None}
    assert len(ids) == 1
    assert [one is not None for one in seen] == sorted(one is not None for one in seen)


def _stormy(rng, days: int, mean: float, spread: float, per_day: int = 500) -> np.ndarray:
    level = np.clip(mean + spread * rng.normal(size=days), 0.01, 0.99)
    return (rng.random((days, per_day)) < level[:, None]).astype(float).ravel()


def test_storms_stay_within_the_budget_and_a_drop_in_them_is_found(start) -> None:
    """Days vary by 0.1; half a page a month is what the budget gives to this monitor.

    Twenty calm months: at most 10 pages once taught of the spread, and fewer than untaught. Ten
    streams with a rise of 0.25 after twenty days: at most 10·20/30·½ pages before it, none missed.
    """
    rng = np.random.default_rng(4)
    taught = msgspec.structs.replace(REFERENCE, loss_spread=0.1)
    calm = [_stormy(rng, 30, 0.15, 0.1) for _ in range(20)]
    untaught = sum(_look(x, start) is not None for x in calm)
    pages = sum(_look(x, start, reference=taught) is not None for x in calm)
    assert pages <= 10
    assert pages < untaught
    found = []
    for _ in range(10):
        x = np.concatenate([_stormy(rng, 20, 0.15, 0.1), _stormy(rng, 10, 0.4, 0.1)])
        found.append(_look(x, start, reference=taught))
    assert all(one is not None for one in found)
    assert sum(one.at < start + 20 * DAY for one in found) <= 3


def test_an_alarm_closes_when_the_evidence_is_gone() -> None:
    """After the drop the loss is 0 until nothing speaks against the version any more."""
    losses = np.concatenate([np.full(300, 0.0), np.full(60, 1.0), np.full(4000, 0.0)])
    log_m = cusum(losses, 0.2)
    on = log_m >= np.log(1000)
    assert episodes(log_m[:300], on[:300]) == []
    ((at, closed),) = episodes(log_m[:360], on[:360])
    assert closed is None
    assert episodes(log_m[:370], on[:370]) == [(at, None)]
    ((late, closed),) = episodes(log_m, on)
    assert late == at
    assert closed is not None
    assert closed > 360


def test_an_alarm_that_came_and_went_between_two_looks_is_reported_once(start) -> None:
    """As after the control plane was away for a month."""
    rng = np.random.default_rng(7)
    losses = np.concatenate(
        [rng.random(2500) < 0.15, rng.random(1500) < 0.5, rng.random(20_000) < 0.02]
    ).astype(float)
    until = start + 48 * DAY
    known = _known(losses, start, 500)

    def look(before):
        return monitor_loss(
            known, REFERENCE, POLICY, model="late", version=2, since=start, until=until,
            before=before,
        )  # fmt: skip

    away = look(start + 5 * DAY)
    assert away.open is None
    (finding,) = away.passed
    assert finding.pages
    assert abs(finding.since - (start + 5 * DAY)) < 0.2 * DAY
    assert look(None) == look(until) == (None, ())


def test_run_length_follows_the_labels_and_the_budget() -> None:
    month = np.linspace(0, 30 * 86_400e6, 30_000).astype(np.int64)
    assert run_length(month, 1.0) == 32_768
    assert run_length(month, 0.5) == 65_536
    assert run_length(month[:100], 1.0) >= 1000
    assert run_length(np.zeros(0, dtype=np.int64), 1.0) == 1024


def test_a_raised_run_length_asks_for_more_and_an_unarmed_monitor_wakes_nobody(start) -> None:
    rng = np.random.default_rng(8)
    losses = np.concatenate([rng.random(5000) < 0.15, rng.random(1000) < 0.35]).astype(float)
    about = {"model": "late", "version": 2, "since": start, "until": start + 12 * DAY}
    known = _known(losses, start, 500)
    plain = monitor_loss(known, REFERENCE, POLICY, **about).open
    raised = monitor_loss(known, REFERENCE, POLICY, **about, raised=4.0**4, armed=False).open
    assert raised.at > plain.at
    assert (plain.pages, raised.pages) == (True, False)
    assert raised.log_threshold == pytest.approx(plain.log_threshold + 4 * np.log(4))


def test_no_labels_no_finding(start) -> None:
    assert _look(np.zeros(0), start) is None


@pytest.mark.parametrize("loss", [0.5, 0.999])
def test_tolerated_stays_below_one(loss: float) -> None:
    assert tolerated(msgspec.structs.replace(REFERENCE, loss_high=loss), POLICY) <= 0.99


@pytest.mark.parametrize("few", [10, 29])
def test_nobody_is_woken_by_a_few_rows_however_wrong(few: int, start) -> None:
    assert _look(np.ones(few), start, per_day=few) is None
    sound = np.zeros(500)
    assert _look(np.concatenate([sound, np.ones(few)]), start, per_day=500 + few) is None
    assert _look(np.concatenate([sound, np.ones(60)]), start, per_day=560) is not None
