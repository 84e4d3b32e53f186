"""Attribution: it names what did it, its intervals hold, and its sums are what it says they are."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.attribution import attribute
from holdfast.monitoring.count import count
from holdfast.monitoring.days import loss_spreads
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.look import look
from holdfast.monitoring.merge import Blocks, blocks
from holdfast.monitoring.times import align
from holdfast.records import Bins, ColumnSummary, HeldOutDay, History, Reference, Summary
from holdfast.spec import Monitor
from holdfast.statistics.exact import clopper_pearson

DAY = timedelta(days=1)


def _world(seed: int, days: int, fog: float = 0.2, jfk: float = 0.3, rows: int = 3000):
    """Fog makes the outcome a coin toss, which a calibrated score says; wind does nothing."""
    rng = np.random.default_rng(seed)
    n = rows * days
    foggy = rng.random(n) < fog
    origin = np.where(rng.random(n) < jfk, "JFK", "LGA")
    score = np.where(foggy, 0.5, np.where(origin == "JFK", 0.2, 0.05)) + 0.01 * rng.random(n)
    step = np.timedelta64(86_400_000_000 // rows, "us")
    return pl.DataFrame(
        {
            "at": np.datetime64("2013-01-01", "us") + np.arange(n) * step,
            "fog": foggy,
            "wind": rng.normal(size=n),
            "origin": origin,
            "prediction": score,
            "label": rng.random(n) < score,
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


def _loss(frame: pl.DataFrame) -> np.ndarray:
    return (frame["prediction"].to_numpy() - frame["label"].to_numpy()) ** 2


@pytest.fixture(scope="module")
def held() -> Reference:
    frame = _world(0, 10)
    return freeze(
        frame, frame["label"].to_numpy(), _loss(frame), task="binary",
        features=["fog", "wind", "origin"], slices=["origin"], at=frame["at"],
    )  # fmt: skip


def _attributed(reference, frame, start, days, **options):
    rows = count(frame, reference, model="m", version=1, slices=["origin"])
    window = {"since": start, "until": start + days * DAY, "length": DAY}
    parts = {
        key: blocks(rows, reference.bins, slice_key=key, **window)
        for key in ("origin=JFK", "origin=LGA")
    }
    return attribute(reference, blocks(rows, reference.bins, **window), parts, **options)


def test_what_did_it_comes_first_and_carries_the_loss(held, start) -> None:
    frame = _world(1, 2, fog=0.5)
    found = _attributed(held, frame, start, 2, since=start)
    truth = float(_loss(frame).mean()) - held.loss
    causes = {one.subject: one for one in found.causes}
    assert found.rows == 6000
    assert found.expected.value == pytest.approx(truth, abs=0.01)
    assert found.causes[0].subject == "fog"
    assert causes["fog"].loss.value == pytest.approx(found.expected.value, abs=0.005)
    assert causes["fog"].sure
    assert not causes["wind"].sure
    assert abs(causes["wind"].loss.value) < 0.01


def test_slices_add_up_to_the_whole(held, start) -> None:
    found = _attributed(held, _world(2, 2, fog=0.4, jfk=0.6), start, 2, since=start)
    parts = [one for one in found.causes if one.kind == "slice"]
    assert sum(one.loss.value for one in parts) == pytest.approx(found.expected.value)
    assert {one.subject: one.rows for one in parts}["origin=JFK"] > 3300
    jfk = next(one for one in parts if one.subject == "origin=JFK")
    assert jfk.mix > 0.01  # more frequent, and harder than most
    assert jfk.loss.value > jfk.mix  # and foggier as well


def test_inputs_that_go_together_carry_it_twice_and_it_says_so(start) -> None:
    frame = _world(3, 10).with_columns(mist="fog")
    reference = freeze(
        frame, frame["label"].to_numpy(), _loss(frame), task="binary", features=["fog", "mist"]
    )
    moved = _world(4, 1, fog=0.6).with_columns(mist="fog")
    rows = count(moved, reference, model="m", version=1)
    seen = blocks(rows, reference.bins, since=start, until=start + DAY, length=DAY)
    found = attribute(reference, seen, {}, measured=0.3)
    assert found.inputs_sum == pytest.approx(2 * found.expected.value, rel=0.1)
    assert found.unexplained == pytest.approx(0.3 - found.expected.value)


def test_too_few_rows_and_no_blocks_explain_nothing(held, start) -> None:
    few = _world(5, 1, rows=100)
    assert _attributed(held, few, start, 1) is None
    assert _attributed(held, few, start, 0) is None


def test_only_the_blocks_asked_for_count(held, start) -> None:
    frame = pl.concat([_world(6, 2), _world(7, 1, fog=0.9).with_columns(pl.col("at") + 2 * DAY)])
    whole = _attributed(held, frame, start, 3, since=start)
    last = _attributed(held, frame, start, 3)
    assert (whole.rows, last.rows) == (9000, 3000)
    assert last.since == start + 2 * DAY
    assert last.expected.value > 2 * whole.expected.value
    assert _attributed(held, frame, start, 3, since=start + 9 * DAY) == last


def test_a_look_explains_what_it_found(held, start) -> None:
    frame = pl.concat([_world(8, 3), _world(9, 3, fog=0.8).with_columns(pl.col("at") + 3 * DAY)])
    rows = count(frame, held, model="m", version=1, slices=["origin"])
    outcomes = frame.select("at", "label", score="prediction", label_at=pl.col("at") + DAY / 4)
    seen = look(
        held, rows, outcomes, Monitor(slices=("origin",)), task="binary", model="m", version=1,
        since=start, until=start + 6 * DAY, classes=(False, True), positive=True,
    )  # fmt: skip
    assert seen.attribution.since == align(min(one.since for one in seen.findings), DAY)
    assert seen.attribution.causes[0].subject == "fog"
    (measured,) = (one for one in seen.findings if one.kind == "realised_loss")
    assert seen.attribution.measured == measured.value - held.loss


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_intervals_hold_the_truth(start, shift) -> None:
    """400 references and windows of one column with known losses: at least 95 %, less chance.

    The lower Clopper–Pearson bound of a coverage of 95 % lies above 90 % with near certainty.
    """
    rng = np.random.default_rng(11)
    cells, m, n = 12, 3000, 800
    p = np.append(rng.dirichlet(np.ones(cells)), 0)
    q = np.append(p[:-1] * np.exp(shift * rng.normal(size=cells)), 0)
    q = q / q.sum()
    truth_loss = np.append(rng.uniform(0.05, 0.9, cells), 0)
    bins = Bins(column="prediction", kind="numeric", edges=tuple(range(cells - 1)))
    held = 0
    for _ in range(400):
        before, now = rng.multinomial(m, p), rng.multinomial(n, q)
        means = rng.binomial(before, truth_loss) / np.maximum(before, 1)
        column = ColumnSummary(column="prediction", counts=tuple(before.tolist()), n=m)
        summary = Summary(model="m", version=1, hour=start, slice="", rows=m, columns=(column,))
        reference = Reference(
            bins=(bins,), summaries=(summary,), loss=0, loss_low=0, loss_high=0,
            bin_loss={"prediction": tuple(means.tolist())},
        )  # fmt: skip
        seen = Blocks((start,), DAY, {"prediction": now[None, :]})
        found = attribute(reference, seen, {}).expected
        held += found.low <= (q - p) @ truth_loss <= found.high
    assert clopper_pearson(held, 400, 0.025)[0] > 0.9


def test_intervals_hold_the_truth_where_days_differ(start) -> None:
    """150 worlds of 28 held-out days and a window of three, 400 rows a day, nothing has changed.

    The share of fog of a day is Beta(2, 6), so its standard deviation is 0.14. The spread of so few
    days is itself an estimate: at least 85 % of the intervals hold the truth (0), by the lower
    Clopper–Pearson bound, and without days no more than 60 %, by the upper.
    """
    rng = np.random.default_rng(12)
    bins = tuple(Bins(column=name, kind="categorical", categories=("no", "yes")) for name in "pf")
    bins = (msgspec.structs.replace(bins[0], column="prediction"), bins[1])
    losses = {"prediction": (0.1, 0.4, 0.0, 0.0), "f": (0.1, 0.4, 0.0, 0.0)}
    held = {True: 0, False: 0}
    for _ in range(150):
        foggy = rng.random((31, 400)) < rng.beta(2, 6, size=(31, 1))
        cells, days = foggy[:28].ravel().astype(np.intp), np.repeat(np.arange(28), 400)
        spreads = loss_spreads({"prediction": cells, "f": cells}, losses, days, {})
        counts = np.bincount(cells, minlength=4)
        columns = tuple(
            ColumnSummary(column=one.column, counts=tuple(counts.tolist()), n=cells.size)
            for one in bins
        )
        history = History(values=(), days=(HeldOutDay(losses=(), expected=0, error=0),) * 28)
        reference = Reference(
            bins=bins, loss=0, loss_low=0, loss_high=0, bin_loss=losses, history=history,
            summaries=(
                Summary(model="m", version=1, hour=start, slice="", rows=28, columns=columns),
            ),
            loss_spreads=spreads,
        )  # fmt: skip
        now = np.stack([np.bincount(day, minlength=4) for day in foggy[28:].astype(np.intp)])
        starts = tuple(start + i * DAY for i in range(3))
        seen = Blocks(starts, DAY, {"prediction": now, "f": now})
        for with_days in held:
            one = reference if with_days else msgspec.structs.replace(reference, loss_spreads={})
            (cause,) = attribute(one, seen, {}, since=start).causes
            held[with_days] += not cause.sure
    assert clopper_pearson(held[True], 150, 0.025)[0] > 0.85
    assert clopper_pearson(held[False], 150, 0.025)[1] < 0.6
