"""Drift of pairs: found when no column moves, silent without change, net of the margins."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.count import count
from holdfast.monitoring.drift import drift
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.joint import JOINT, pairs, tables_of
from holdfast.monitoring.joint_drift import joint_drift
from holdfast.monitoring.look import look
from holdfast.monitoring.merge import blocks
from holdfast.records import Reference
from holdfast.spec import Monitor

DAY = timedelta(days=1)
NUMBERS = ["a", "b", "c", "d"]


def _world(seed: int, days: int, rows: int = 800, rho: float = 0.0, shift: float = 0.0):
    """Four normal inputs and a category; ``rho`` is the correlation of a and b, else there is none.

    Whatever it is, each input alone is distributed as ever.
    """
    rng = np.random.default_rng(seed)
    n = rows * days
    x = rng.normal(size=(n, 4))
    x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho**2) * x[:, 1]
    at = np.datetime64("2013-01-01", "us") + (np.arange(n) * (86_400_000_000 // rows)).astype(
        "m8[us]"
    )
    return pl.DataFrame(
        {
            "at": at,
            **{name: x[:, i] + shift for i, name in enumerate(NUMBERS)},
            "kind": rng.choice(["x", "y", "z", "w"], n, p=[0.4, 0.3, 0.2, 0.1]),
            "prediction": rng.beta(1.5, 4.0, n),
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


def _reference(seed: int, rho: float = 0.0, days: int = 25) -> Reference:
    frame = _world(seed, days, rho=rho)
    truth = np.random.default_rng(seed + 1).random(frame.height) < frame["prediction"].to_numpy()
    losses = (frame["prediction"].to_numpy() - truth) ** 2
    return freeze(frame, truth, losses, task="binary", features=[*NUMBERS, "kind"], at=frame["at"])


def _moved(reference, frame, start, days, **options):
    rows = count(frame, reference, model="m", version=1)
    window = {"since": start, "until": start + days * DAY, "length": DAY}
    seen = blocks(rows, reference.bins, **window)
    tables = blocks(rows, tables_of(reference.joint), **window)
    alone = drift(reference, seen)
    return alone, joint_drift(reference, tables, alone, **options).pairs


def test_what_no_column_shows_alone_is_found(start) -> None:
    """Correlation 0 → 0.6 of two of four inputs; ten of ten seeds within two days."""
    reference = _reference(0)
    for seed in range(10):
        frame = pl.concat(
            [
                _world(10 + seed, 3),
                _world(50 + seed, 4, rho=0.6).with_columns(pl.col("at") + 3 * DAY),
            ]
        )
        alone, (first, *others) = _moved(reference, frame, start, 7)
        assert not any(one.declared.any() for one in alone)
        assert first.column == "'a' and 'b'"
        assert not first.declared[:3].any()
        assert first.declared[4:].all()
        assert not any(one.declared.any() for one in others)


def test_a_correlation_that_is_lost_is_found_too(start) -> None:
    _alone, (first, *_) = _moved(_reference(1, rho=0.6), _world(2, 3), start, 3)
    assert first.column == "'a' and 'b'"
    assert first.declared.all()


def test_without_change_nothing_is_declared(start) -> None:
    """A sampled reference, no demand on the effect: the budget of pairs is 0.2 in 30 days.

    Over 4 × 30 days 0.8 are allowed; a Poisson count with that mean exceeds 3 in one of 100.
    """
    declared = 0
    for seed in range(4):
        reference = _reference(100 + seed)
        bare = msgspec.structs.replace(
            reference, joint=msgspec.structs.replace(reference.joint, between=None)
        )
        frame = _world(200 + seed, 30)
        for one in _moved(bare, frame, start, 30, minimum_effect=0.0)[1]:
            declared += int(one.declared.sum())
        assert not any(one.declared.any() for one in _moved(reference, frame, start, 30)[1])
    assert declared <= 3


def test_a_column_that_moves_is_not_a_pair_that_moves(start) -> None:
    """All inputs shifted by half a standard deviation: the columns say so, the pairs have none."""
    alone, together = _moved(_reference(3, rho=0.5), _world(4, 3, rho=0.5, shift=0.5), start, 3)
    assert all(one.declared.any() for one in alone if one.column in NUMBERS)
    assert all((one.low < 0.02).all() for one in together)
    assert not any(one.declared.any() for one in together)


def test_a_look_finds_it_and_says_it(start) -> None:
    reference, frame = _reference(5), _world(6, 4, rho=0.7)
    outcomes = frame.select("at", score="prediction", label=pl.lit(None, pl.Boolean))
    seen = look(
        reference, count(frame, reference, model="m", version=1),
        outcomes.with_columns(label_at=pl.lit(None, frame["at"].dtype)), Monitor(), task="binary",
        model="m", version=1, since=start, until=start + 4 * DAY, classes=(False, True),
        positive=True,
    )  # fmt: skip
    (finding,) = seen.findings
    assert (finding.kind, finding.subject, finding.harm) == ("input_drift", "'a' and 'b'", None)
    assert "'a' and 'b' go together otherwise than in the held-out rows" in finding.sentence
    assert len(seen.joint) == 10


def test_too_few_rows_say_nothing(start) -> None:
    _, together = _moved(_reference(7), _world(8, 2, rows=150, rho=0.9), start, 2)
    assert all(np.isnan(one.effect).all() and not one.declared.any() for one in together)


def test_nulls_and_constants_have_no_part(start) -> None:
    frame = _world(9, 6).with_columns(
        b=pl.when(pl.col("at").dt.day() % 2 == 0).then("b"), d=pl.lit(1.0), kind=pl.lit("x")
    )
    reference = freeze(
        frame, np.zeros(frame.height), np.zeros(frame.height), task="binary",
        features=[*NUMBERS, "kind"],
    )  # fmt: skip
    assert pairs(reference.joint) == [("a", "b"), ("a", "c"), ("b", "c")]
    tables = np.reshape(reference.joint.counts, (3, 9)).sum(axis=1)
    assert tables.tolist() == [frame.height // 2, frame.height, frame.height // 2]


def test_bundles_without_pairs_still_work(start, reference, world) -> None:
    old = msgspec.structs.replace(reference, joint=None)
    alone, together = _moved(old, world(1, 500, 2), start, 2)
    assert together == ()
    assert len(alone) == len(old.bins)
    assert JOINT not in count(world(1, 50), old, model="m", version=1)["column"].to_list()


@pytest.mark.parametrize("columns", [1, 30])
def test_the_number_of_pairs_is_bounded(columns) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"x{i}": rng.normal(size=300) for i in range(columns)})
    loss = (frame["x0"].to_numpy() > 0).astype(float)
    made = freeze(
        frame.with_columns(prediction=rng.random(300)), loss, loss, task="binary",
        features=frame.columns,
    )  # fmt: skip
    if columns == 1:
        assert made.joint is None
    else:
        assert len(made.joint.columns) == 24
        assert made.joint.columns[0].column == "x0"
