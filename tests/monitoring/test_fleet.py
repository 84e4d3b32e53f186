"""The rate of false findings over columns, slices and models, by simulation; fixed seeds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.fleets import World, lived, runs

from holdfast.monitoring.fleet import budget_of, share_of

START = datetime(2024, 1, 1, tzinfo=UTC)
LEVELS = st.lists(st.floats(1e-6, 2.0) | st.just(float("inf")), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("world", "fleets", "most"),
    [(World(), 3, 7), (World(columns=6, follows=0.6), 2, 6)],
    ids=["weather", "days that follow one another"],
)
def test_a_fleet_without_a_change_keeps_the_budget_of_one_model(
    world: World, fleets: int, most: int
) -> None:
    """12 models in 3 slices, 144 and 288 streams whose days vary, for 30 days.

    One false finding in 30 days is granted to the whole fleet. More than seven in three fleets, and
    more than six in two, are found in one of a hundred draws of a Poisson count with that mean.
    The same models by themselves, each at its whole budget, find more.
    """
    rng = np.random.default_rng(1)
    drawn = [[world.streams(rng) for _ in range(12)] for _ in range(fleets)]
    together = [sum(map(runs, lived(fleet))) for fleet in drawn]
    assert sum(together) <= most
    assert sum(map(runs, lived(drawn[0], together=False))) > together[0]


def test_evidence_alone_keeps_the_budget_where_rows_are_independent() -> None:
    """Days that do not vary, no demand on the effect: what is left is the e-values' promise.

    12 models with 144 streams, 30 days, three times over: three are granted, and more than seven
    are found in one of a hundred draws.
    """
    rng = np.random.default_rng(2)
    world = World(weather=0.0, own=0.0)
    found = 0
    for _ in range(3):
        fleet = [world.streams(rng) for _ in range(12)]
        found += sum(map(runs, lived(fleet, minimum_effect=0.0)))
    assert found <= 7


def test_of_what_is_found_beside_true_drift_little_is_false() -> None:
    """4 of 12 models move from the first day on: two everywhere, two in one slice of three.

    On a day, of the models with a finding a thirtieth may be false on average (one day of a budget
    of one in thirty), and of the declared streams likewise. One false model beside four true ones
    is a share of 1/5, so that a day's share deviates by 0.075; findings last up to three days, so
    four fleets of 30 days are 40 draws, and the mean may exceed 1/30 by three standard errors.
    All that move are found within three days, and in a slice by the slice's name.
    """
    rng = np.random.default_rng(3)
    world = World()
    everywhere, one_slice = np.zeros((3, 3)), np.zeros((3, 3))
    everywhere[:, 0], one_slice[1, 2] = 1.0, 1.0
    moved = [everywhere, one_slice, everywhere, one_slice]
    streams = [[0, 3, 6, 9], [2, 8]]  # whole columns are 0 to 2, then three a slice
    models, declared = [], []
    for _ in range(4):
        fleet = [world.streams(rng, shift) for shift in [*moved, *[None] * 8]]
        flags = np.array(lived(fleet))  # (models, days, streams)
        truly = np.zeros(flags.shape, dtype=bool)
        for place in range(4):
            truly[place][:, streams[place % 2]] = True
        named = flags.any(axis=2)
        models.append(_share(named[4:].sum(axis=0), named.sum(axis=0)))
        declared.append(_share((flags & ~truly).sum(axis=(0, 2)), flags.sum(axis=(0, 2))))
        assert flags[[0, 2], :3, 0].any(axis=1).all()
        assert flags[[1, 3], :3, 8].any(axis=1).all()
    granted = 1 / 30
    error = 0.2 * np.sqrt(5 * granted * (1 - 5 * granted) / 40)
    assert np.mean(models) <= granted + 3 * error
    assert np.mean(declared) <= granted + 3 * error


def _share(false: np.ndarray, found: np.ndarray) -> float:
    return float((false / np.maximum(found, 1)).mean())


@given(LEVELS)
def test_each_model_by_itself_comes_to_what_all_together_would(levels: list[float]) -> None:
    """The step-up rule over all: the largest r of which r models have a finding at r/M."""
    models = len(levels)
    most = max(
        (r for r in range(1, models + 1) if sum(one <= r / models for one in levels) >= r),
        default=0,
    )
    for place, one in enumerate(levels):
        found = one <= share_of(levels[:place] + levels[place + 1 :])
        assert found == (one <= most / models and most > 0)


@given(LEVELS, st.floats(1e-6, 2.0))
def test_a_finding_elsewhere_never_takes_one_away(levels: list[float], one: float) -> None:
    assert share_of([min(one, levels[0]), *levels[1:]]) >= share_of(levels)


def test_one_model_has_the_whole_budget() -> None:
    assert share_of([]) == 1.0
    assert share_of([float("inf")]) == 0.5


def test_past_blocks_stay_judged() -> None:
    """Whatever other models do since: else findings would begin anew, under another id."""
    starts = [START + timedelta(days=i) for i in range(4)]
    kept = {starts[0]: 1.0, starts[1]: 0.25, starts[2]: 0.5}
    assert budget_of(starts, 0.1, kept).tolist() == [1.0, 0.25, 0.5, 0.1]
    assert budget_of(starts[:3], 0.1, kept).tolist() == [1.0, 0.25, 0.5]
    assert budget_of(starts[:3], 0.75, kept).tolist() == [1.0, 0.25, 0.75]
    assert budget_of([], 0.5, {}).tolist() == []
