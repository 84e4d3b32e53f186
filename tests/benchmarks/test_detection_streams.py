"""The streams have the truth that they are said to have, and every judgement is kept once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from detection import cells, classical, ours
from detection.scenarios import DRIFTS, NULLS, plans
from detection.streams import Table, day_of

SMALL = Table(name="small", columns=10, rows=300, days=14, at_day=7, reference_days=14)


def _after(world: Table, seed: int = 0) -> pl.DataFrame:
    rows = world.draw(seed).production
    return rows.filter(day_of(rows) >= world.at_day)


def test_the_same_seed_draws_the_same() -> None:
    first, again, other = SMALL.draw(3), SMALL.draw(3), SMALL.draw(4)
    assert first.production.equals(again.production)
    assert not first.production.equals(other.production)
    assert day_of(first.production).max() == SMALL.days - 1
    assert first.reference["at"].max() < first.production["at"].min()


def test_without_a_change_scores_are_calibrated() -> None:
    rows = replace(SMALL, rows=3000).draw(0).production
    error = float((rows["label"] - rows["prediction"]).mean())
    assert abs(error) < 4 * np.sqrt(0.25 / rows.height)


@pytest.mark.parametrize(
    ("change", "size", "loss_rises"),
    [("covariate", 1.0, False), ("concept", 0.3, True), ("label", 3.0, True)],
)
def test_a_change_does_what_it_says(change, size, loss_rises) -> None:
    world = replace(SMALL, rows=3000, change=change, size=size)
    before = world.draw(0).reference
    after = _after(world)
    moved = float(after["x0"].mean() - before["x0"].mean())
    assert (abs(moved) > 0.1) == (change in ("covariate", "label"))
    bias = float((after["label"] - after["prediction"]).mean())
    assert (abs(bias) > 0.02) == loss_rises


def test_a_correlation_moves_no_margin_and_no_score() -> None:
    world = replace(SMALL, rows=5000, change="unseen pair", size=0.9)
    before, after = world.draw(0).reference, _after(world)
    assert abs(np.corrcoef(before["x4"], before["x5"])[0, 1]) < 0.05
    assert np.corrcoef(after["x4"], after["x5"])[0, 1] > 0.85
    for name in ("x4", "x5", "prediction"):
        assert abs(float(before[name].mean() - after[name].mean())) < 0.05
        assert abs(float(before[name].std() - after[name].std())) < 0.05


def test_changes_come_by_degrees_or_come_back() -> None:
    gradual = replace(SMALL, days=30, change="covariate", size=2.0, course="gradual")
    by_day = gradual.draw(0).production.with_columns(day=day_of(gradual.draw(0).production))
    means = by_day.group_by("day").agg(pl.col("x0").mean()).sort("day")["x0"].to_list()
    assert abs(means[6]) < 0.3 < means[12] < 1.2 < means[29]
    again = replace(SMALL, days=30, change="covariate", size=2.0, course="recurring")
    by_day = again.draw(0).production.with_columns(day=day_of(again.draw(0).production))
    means = by_day.group_by("day").agg(pl.col("x0").mean()).sort("day")["x0"].to_list()
    assert means[8] > 1.5 > 0.5 > means[13]
    assert means[18] > 1.5


def test_streams_without_a_change_are_shared_by_all_scenarios_of_a_shape() -> None:
    shapes = {one.null for one in DRIFTS if isinstance(one, Table)}
    assert len(shapes) < 6
    assert all(one.null == one for one in shapes)
    assert all(not one.change for one in NULLS if isinstance(one, Table))


def test_plans_grow_with_the_rounds() -> None:
    few = plans(quick=False, peers=False, rounds=1)
    many = plans(quick=False, peers=False, rounds=3)
    for a, b in zip(few, many, strict=True):
        assert sum(plan.streams for plan in a) < sum(plan.streams for plan in b)
    quick = plans(quick=True, peers=True, rounds=3)
    assert sum(plan.streams for part in quick for plan in part) < 60


def test_monitors_are_quiet_without_a_change_and_find_one() -> None:
    changed = replace(SMALL, change="covariate", size=1.5)
    for watch, name in ((ours.watch, "holdfast, drift"), (classical.watch, "KS, Bonferroni")):
        quiet, found = watch(SMALL.draw(0))[name], watch(changed.draw(0))[name]
        assert len(quiet.days[quiet.usual]) <= 2
        assert set(range(SMALL.at_day, SMALL.days)) <= set(found.days[found.usual])


def test_judgements_are_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOLDFAST_BENCH_CACHE", str(tmp_path))
    tiny = replace(SMALL, columns=5, days=4)
    wanted = [cells.Cell(tiny, seed, family) for seed in (0, 1) for family in ("holdfast", "scipy")]
    said: list[str] = []
    first = cells.judge(wanted, 1, said.append)
    again = cells.judge(wanted, 1, said.append)
    assert said == [
        "0 of 4 judgements are kept from before",
        "4 of 4 judgements are kept from before",
    ]

    def as_dict(done: list[cells.Done]) -> dict:
        return {(one.cell.seed, one.cell.family): one.tracks for one in done}

    assert as_dict(first) == as_dict(again)
    assert wanted[0].file() != wanted[2].file()
    assert wanted[0].file() != replace_seed(wanted[0]).file()


def replace_seed(cell: cells.Cell) -> cells.Cell:
    return cell._replace(seed=99)
