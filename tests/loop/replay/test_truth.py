"""What really was: bad times are found, calm ones are not, and pages are judged by all labels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from holdfast.loop.replay.truth import Level, harms, judge, matched
from holdfast.records import Finding

BEGIN, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)
LEVEL = Level(tolerated=0.2, spread=0.01)


def _known(means: list[float], a_day: int = 100, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    at = [
        BEGIN + DAY * day + DAY * (row / a_day) for day in range(len(means)) for row in range(a_day)
    ]
    loss = (rng.random(len(at)) < np.repeat(means, a_day)).astype(float)
    return pl.DataFrame({"at": at, "loss": loss, "own": loss, "version": 1}).with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC"))
    )


def test_a_bad_time_is_found_from_its_first_day_to_its_last() -> None:
    known = _known([0.15] * 20 + [0.4] * 10 + [0.15] * 20)
    (harm,) = harms(known, LEVEL, BEGIN, DAY)
    assert harm.start == BEGIN + 20 * DAY
    assert harm.end == BEGIN + 30 * DAY
    assert harm.labels == 1000
    assert harm.loss == pytest.approx(0.4, abs=0.04)
    assert harm.tolerated == pytest.approx(0.2)


@pytest.mark.parametrize("seed", range(20))
def test_there_is_none_at_what_is_tolerated_just_so(seed: int) -> None:
    known = _known([0.19] * 60, seed=seed)
    assert sum((one.end - one.start) / DAY for one in harms(known, LEVEL, BEGIN, DAY)) <= 6


def test_nothing_known_is_nothing_bad() -> None:
    assert harms(_known([0.1])[:0], LEVEL, BEGIN, DAY) == ()


def test_the_first_sign_within_a_bad_time_is_what_noticed_it() -> None:
    found = harms(_known([0.15] * 5 + [0.4] * 10), LEVEL, BEGIN, DAY)
    signs = [(BEGIN + DAY, "page"), (BEGIN + 8 * DAY, "page"), (BEGIN + 7 * DAY, "training")]
    (harm,) = matched(found, signs)
    assert (harm.found_by, harm.delay_hours) == ("training", 48.0)
    (missed,) = matched(found, signs[:1])
    assert missed.found_at is None


def _finding(kind: str, first: int, last: int) -> Finding:
    return Finding(
        id="f", model="m", version=1, kind=kind, subject="loss", pages=True,  # type: ignore[arg-type]
        since=BEGIN + first * DAY, at=BEGIN + last * DAY, sentence="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "first", "last", "truth"),
    [
        ("realised_loss", 20, 25, "true"),
        ("realised_loss", 5, 15, "false"),
        ("estimated_loss", 5, 15, "false"),
        ("contract", 22, 23, "true"),
        ("contract", 5, 6, "unknown"),
        ("realised_loss", 60, 62, "unknown"),
    ],
)
def test_a_page_is_right_when_the_loss_it_speaks_of_was(
    kind: str, first: int, last: int, truth: str
) -> None:
    known = _known([0.15] * 20 + [0.4] * 10)
    assert judge(_finding(kind, first, last), known, LEVEL, DAY).truth == truth
