from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from holdfast.data.contract import check, learn
from holdfast.errors import DataError
from holdfast.records import Breach, Contract
from holdfast.spec import Data

FEATURES = ("city", "amount", "minutes", "temperature", "weekday", "rain")
RowsOf = Callable[..., pl.DataFrame]


@pytest.fixture(scope="module")
def year(rows_of: RowsOf) -> pl.DataFrame:
    return rows_of(days=365)


@pytest.fixture(scope="module")
def data(spec_of: Callable[..., Data]) -> Data:
    return spec_of(features=FEATURES)


@pytest.fixture(scope="module")
def contract(year: pl.DataFrame, data: Data) -> Contract:
    return learn(_days(year, 0, 90), data)


def _days(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    start = frame["at"][0]
    at = pl.col("at")
    return frame.filter((at >= start + timedelta(days=first)) & (at < start + timedelta(days=last)))


def _rules(breaches: tuple[Breach, ...], *, hard: bool) -> set[tuple[str, str]]:
    return {(breach.column, breach.rule) for breach in breaches if breach.hard == hard}


def test_a_contract_survives_json(contract: Contract) -> None:
    assert Contract.from_json(contract.to_json()) == contract
    assert [column.name for column in contract.columns] == [*FEATURES, "late"]


@pytest.mark.parametrize("length", [1, 7, 30])
def test_seasons_weeks_and_dry_spells_block_nothing(
    year: pl.DataFrame, contract: Contract, length: int
) -> None:
    for first in range(90, 365 - length, 9):
        breaches = check(contract, _days(year, first, first + length))

        assert _rules(breaches, hard=True) == set(), first


def test_no_rows_block(contract: Contract, year: pl.DataFrame) -> None:
    (breach,) = check(contract, year.clear())

    assert breach.hard
    assert breach.rule == "empty"


def test_missing_columns_block_but_labels_may_come_later(
    contract: Contract, year: pl.DataFrame
) -> None:
    breaches = check(contract, _days(year, 90, 95).drop("late", "id", "city"))

    assert _rules(breaches, hard=True) == {("city", "missing")}
    assert _rules(check(contract, year.drop("at")), hard=True) == {("at", "missing")}


HARD = [
    ("city", pl.lit(3), "type"),
    ("amount", pl.col("amount").cast(pl.String), "type"),
    ("weekday", pl.col("weekday") + 0.5, "type"),
    ("at", pl.col("at").dt.timestamp("us"), "type"),
    ("amount", pl.lit(7.0), "constant"),
    ("city", pl.lit("ams"), "constant"),
    ("weekday", pl.lit(2), "constant"),
    ("amount", pl.when(pl.int_range(pl.len()) % 5 == 0).then("amount"), "null_share"),
    ("minutes", pl.col("minutes") / 60, "unit"),
    ("minutes", pl.col("minutes") * 60, "unit"),
    ("minutes", pl.col("minutes") * 1000, "unit"),
    ("temperature", (pl.col("temperature") - 32) * 5 / 9, "unit"),
]


@pytest.mark.parametrize(("column", "change", "rule"), HARD)
def test_hard_breaches(
    year: pl.DataFrame, contract: Contract, column: str, change: pl.Expr, rule: str
) -> None:
    changed = _days(year, 90, 120).with_columns(change.alias(column))

    assert _rules(check(contract, changed), hard=True) == {(column, rule)}


UNITS = {
    "temperature": (pl.col("temperature") - 32) * 5 / 9,
    "minutes": pl.col("minutes") / 60,
}


@pytest.mark.parametrize("column", list(UNITS))
@pytest.mark.parametrize("day", [95, 150, 200, 280, 340])
def test_a_unit_that_changed_among_older_rows_is_dated(
    year: pl.DataFrame, contract: Contract, column: str, day: int
) -> None:
    window = _days(year, day - 20, day + 2)
    moment = year["at"][0] + timedelta(days=day)
    changed = window.with_columns(
        pl.when(pl.col("at") >= moment).then(UNITS[column]).otherwise(pl.col(column)).alias(column)
    )

    hard = [breach for breach in check(contract, changed) if breach.hard]

    assert [(breach.column, breach.rule) for breach in hard] == [(column, "unit")]
    assert f"on {moment:%Y-%m-%d}" in hard[0].sentence


def test_a_distribution_in_another_unit_is_seen_without_dates(rows_of: RowsOf, data: Data) -> None:
    year = rows_of(days=365, per_day=5)  # too few rows a day for a median a day
    contract = learn(year, data)
    later = rows_of(days=365, per_day=5, seed=1)
    celsius = later.with_columns(UNITS["temperature"].alias("temperature"))
    kilo = later.with_columns((pl.col("minutes") * 1.852).alias("minutes"))

    assert _rules(check(contract, later), hard=True) == set()
    assert _rules(check(contract, celsius), hard=True) == {("temperature", "unit")}
    assert "minutes" not in {breach.column for breach in check(contract, kilo) if breach.hard}


def test_the_newest_day_may_block_a_long_window(year: pl.DataFrame, contract: Contract) -> None:
    moment = year["at"][0] + timedelta(days=119)
    value = pl.when(pl.col("at") < moment).then("amount")
    window = _days(year, 90, 120).with_columns(amount=value)

    assert _rules(check(contract, window), hard=True) == {("amount", "null_share")}


SOFT = [
    ("city", pl.when(pl.int_range(pl.len()) % 9 == 0).then(pl.lit("new")).otherwise("city"),
     "unseen"),
    ("amount", pl.when(pl.int_range(pl.len()) == 5).then(1e6).otherwise("amount"), "range"),
    ("amount", pl.when(pl.int_range(pl.len()) % 7 > 0).then("amount"), "null_share"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "change", "rule"), SOFT)
def test_soft_breaches(
    year: pl.DataFrame, contract: Contract, column: str, change: pl.Expr, rule: str
) -> None:
    before = check(contract, _days(year, 90, 100))
    changed = check(contract, _days(year, 90, 100).with_columns(change.alias(column)))

    assert before == ()
    assert _rules(changed, hard=False) == {(column, rule)}
    assert _rules(changed, hard=True) == set()


def test_volume_and_repeated_ids_are_reported(year: pl.DataFrame, contract: Contract) -> None:
    day = _days(year, 90, 92)
    many = pl.concat([day] * 6)

    assert _rules(check(contract, many), hard=False) == {("", "rows"), ("id", "duplicate_id")}


def test_hard_breaches_come_first(year: pl.DataFrame, contract: Contract) -> None:
    changed = _days(year, 90, 120).with_columns(city=pl.lit("new"), minutes=pl.col("minutes") / 60)

    assert [breach.hard for breach in check(contract, changed)] == [True, True, False]


def test_unknown_labels_and_whole_labels_are_no_breach(spec_of: Callable[..., Data]) -> None:
    data = spec_of(label="minutes", features=("amount",))
    start = pl.datetime(2026, 1, 1, time_zone="UTC")
    frame = pl.select(
        at=start + pl.duration(hours=pl.int_range(400)),
        amount=pl.int_range(400) * 37 % 101,
        minutes=pl.int_range(400) * 31 % 97 + 1.5,
        id=pl.int_range(400),
    )
    contract = learn(frame, data)
    newer = frame.with_columns(
        minutes=pl.when(pl.int_range(400) % 9 == 0).then(pl.int_range(400) * 31 % 97 + 2),
        amount=pl.col("amount").cast(pl.Float64),
    )

    assert check(contract, newer) == ()


def test_nothing_is_learned_from_nothing(year: pl.DataFrame, data: Data) -> None:
    with pytest.raises(DataError, match="no rows"):
        learn(year.clear(), data)


@pytest.mark.parametrize(
    ("images", "broken"),
    [
        ([[0.1 * i, 1.0] for i in range(400)], set()),
        ([[0.1 * i, 1.0, 2.0] for i in range(400)], {("image", "type")}),
        ([0.1 * i for i in range(400)], {("image", "type")}),
        ([None] * 400, {("image", "null_share")}),
        ([[1.0, 2.0]] * 400, {("image", "constant")}),
    ],
    ids=["alike", "wider", "scalar", "gone", "frozen"],
)
def test_a_vector_keeps_its_width_and_varies(
    year: pl.DataFrame, spec_of: Callable[..., Data], images: list[Any], broken: Any
) -> None:
    def with_images(cells: list[Any]) -> pl.DataFrame:
        return year.head(400).select("at", "late").with_columns(image=pl.Series(cells))

    data = spec_of(features=("image",))
    learned = learn(with_images([[0.1 * i, -1.0] for i in range(400)]), data)
    assert (learned.columns[0].type, learned.columns[0].width) == ("vector", 2)
    breaches = check(learned, with_images(images))
    assert _rules(breaches, hard=True) == broken
