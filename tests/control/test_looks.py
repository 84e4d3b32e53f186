"""A version that was replaced: its look stays, and labels that came later are added to it."""

from datetime import timedelta
from typing import Any

import polars as pl
from msgspec import json

from holdfast.loop.looking import look_back
from holdfast.loop.stints import Stint, stints

MODEL = "flight-delay"


def looks_of(world: Any) -> list[Any]:
    history = world.container.ask(world.container.store.looks.history, MODEL)
    return [json.decode(one) for one in history]


def lived(world: Any) -> tuple[Stint, ...]:
    return stints(world.container.ask(world.container.store.routes.history, MODEL, 100))


def test_stints_follow_the_version_that_answers_most(busy: Any) -> None:
    now = busy.clock.now()
    busy.route(MODEL, busy.arm(MODEL, 2), reason="back")
    days = [now - timedelta(days=days) for days in (30, 19, 11)]
    assert lived(busy) == (
        Stint(1, days[0], days[1]), Stint(2, days[1], days[2]), Stint(3, days[2], now),
        Stint(2, now, None),
    )  # fmt: skip
    assert stints(()) == ()


def test_labels_that_came_late_are_added_and_nothing_else(busy: Any) -> None:
    container, past = busy.container, lived(busy)[1]
    busy.clock.time = past.until + timedelta(hours=6)
    busy.predictions(MODEL, 2, rows=400)  # of the day before: a part of them after the end
    before = looks_of(busy)
    until = busy.clock.now() + timedelta(days=2)
    look_back(container, container.spec(MODEL), past, until)
    unlabelled = looks_of(busy)[1]["quality"]
    assert [one["labelled"] for one in unlabelled] == [0, 0]
    rows = container.log.scan(MODEL, version=2).select("prediction_id").collect()
    labels = rows.select(
        id="prediction_id", label=pl.lit("true"),
        at=pl.lit(past.until + timedelta(days=1)).cast(pl.Datetime("us", "UTC")),
    )  # fmt: skip
    container.labels.add(MODEL, labels, past.until + timedelta(days=1))
    look_back(container, container.spec(MODEL), past, until)
    after = looks_of(busy)
    assert after[0] == before[0]
    assert after[2] == before[2]
    cohorts = after[1]["quality"]
    assert sum(one["rows"] for one in cohorts) == after[1]["labels"] < 400
    assert all(one["labelled"] == one["rows"] and one["loss"] > 0 for one in cohorts)
    for name in ("starts", "rows", "drift", "estimates", "reference", "tolerated", "since"):
        assert after[1][name] == before[1][name]


def test_nobody_waits_forever_for_labels(busy: Any) -> None:
    before, past = looks_of(busy), lived(busy)[1]
    much_later = past.until + timedelta(days=91)
    look_back(busy.container, busy.container.spec(MODEL), past, much_later)
    look_back(busy.container, busy.container.spec(MODEL), lived(busy)[2], much_later)
    assert looks_of(busy) == before
