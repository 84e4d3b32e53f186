from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from holdfast.data.sources import check, columns_of, known_at, read
from holdfast.errors import DataError
from holdfast.spec import Data

SpecOf = Callable[..., Data]

CSV = """id,at,late,city,amount,unused
2,2026-01-02T10:00:00,,ams,2,x
1,2026-01-01 10:00,true,ber,1.5,y
3,2026-01-03T10:00:00+02:00,false,,,z
"""


def test_csv_is_read_typed_and_sorted(tmp_path: Path, spec_of: SpecOf, loader_of: type) -> None:
    (tmp_path / "rows.csv").write_text(CSV)

    frame = read(spec_of(), tmp_path, loader_of())

    assert frame.columns == ["id", "at", "late", "city", "amount"]
    assert frame["id"].to_list() == ["1", "2", "3"]
    assert frame["at"].to_list() == [
        datetime(2026, 1, 1, 10, tzinfo=UTC),
        datetime(2026, 1, 2, 10, tzinfo=UTC),
        datetime(2026, 1, 3, 8, tzinfo=UTC),
    ]
    assert frame["late"].to_list() == [True, None, False]
    assert frame["amount"].to_list() == [1.5, 2.0, None]


def test_a_loader_a_database_and_parquet_give_the_same(
    tmp_path: Path, spec_of: SpecOf, loader_of: type, rows: pl.DataFrame
) -> None:
    some = rows.head(50).select(columns_of(spec_of()))
    some.write_parquet(tmp_path / "rows.parquet")
    database = sqlite3.connect(tmp_path / "rows.db")
    with database:
        database.execute("create table rows (id, at, late, city, amount)")
        database.executemany(
            "insert into rows values (?, ?, ?, ?, ?)",
            some.with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S%.f")).rows(),
        )
    database.close()

    by_file = read(spec_of(source="*.parquet"), tmp_path, loader_of())
    by_loader = read(spec_of(source="shop:load"), tmp_path, loader_of(some))
    by_query = read(
        spec_of(source="sqlite:///rows.db", query="select * from rows"), tmp_path, loader_of()
    )

    assert by_file.equals(some)
    assert by_loader.equals(some)
    assert by_query.with_columns(pl.col("late").cast(pl.Boolean)).equals(some)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"late": pl.lit(None)}, "data.no_labels", "null in every row"),
        ({"late": pl.col("at")}, "data.bad_label", "is a time"),
        ({"at": pl.lit("soon")}, "data.bad_time", "such as 'soon'"),
        ({"at": pl.lit(20260101)}, "data.bad_time", "not a time"),
        ({"at": pl.lit(None)}, "data.bad_time", "null in 60 of 60 rows"),
        ({"id": pl.lit(None)}, "data.missing_id", "null in 60 rows"),
        ({"city": pl.concat_list("city")}, "data.type_unsupported", "'city'"),
    ],
)
def test_rows_that_cannot_be_meant(
    rows: pl.DataFrame, spec_of: SpecOf, change: dict[str, pl.Expr], code: str, says: str
) -> None:
    with pytest.raises(DataError) as caught:
        check(rows.head(60).with_columns(**change), spec_of())

    assert caught.value.code == code
    assert says in str(caught.value)


def test_up_to_five_repeated_ids_are_named(rows: pl.DataFrame, spec_of: SpecOf) -> None:
    twice = pl.concat([rows.head(8), rows.head(8)])

    with pytest.raises(DataError, match=r"repeats 8 ids: 'r000000', .*'r000004' and 3 more"):
        check(twice, spec_of())


def test_a_missing_column_names_the_nearest(
    tmp_path: Path, rows: pl.DataFrame, spec_of: SpecOf, loader_of: type
) -> None:
    data = spec_of(source="shop:load", features=("amounts",))

    with pytest.raises(DataError, match="no column 'amounts'") as caught:
        read(data, tmp_path, loader_of(rows))

    assert caught.value.fix == "Did you mean 'amount'?"


def test_no_rows_at_all(tmp_path: Path, spec_of: SpecOf, loader_of: type) -> None:
    with pytest.raises(DataError, match="no rows"):
        read(spec_of(source="shop:load"), tmp_path, loader_of(spec_frame().clear()))


def spec_frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [1.0, 2.0],
            "at": ["2026-01-01", "2026-01-02"],
            "late": [1.0, None],
            "city": ["a", "b"],
            "amount": [1, 2],
        }
    )


def test_whole_ids_and_labels_stay_whole_though_nulls_made_them_fractional(spec_of: SpecOf) -> None:
    frame = check(spec_frame(), spec_of())

    assert frame["id"].to_list() == ["1", "2"]
    assert frame["late"].dtype == pl.Int64
    assert frame["late"].to_list() == [1, None]


def test_known_at_takes_labels_by_their_time(spec_of: SpecOf) -> None:
    data = spec_of(label_time="known")
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    frame = pl.DataFrame(
        {
            "at": moments,
            "late": [True, None, False, True],
            "known": [moments[1], moments[1], moments[3], None],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "known": pl.Datetime("us", "UTC")},
    )

    def days(now: datetime, window: timedelta | None = None) -> list[int]:
        return [at.day for at in known_at(frame, data, now, window)["at"]]

    assert days(moments[0]) == []
    assert days(moments[1]) == [1]
    assert days(moments[3]) == [1, 3]
    assert days(moments[3], timedelta(days=2)) == [3]


def test_known_at_takes_labels_by_their_delay(spec_of: SpecOf, rows: pl.DataFrame) -> None:
    now = rows["at"][100]

    known = known_at(rows, spec_of(label_delay=timedelta(days=1)), now)

    assert known["at"].max() == now - timedelta(days=1)
    assert known_at(rows, spec_of(), now).height == 101


def test_kept_columns_are_read_beside_the_features() -> None:
    data = Data(source="x.csv", time="t", label="y", features=("a",), keep=("sex",))
    assert columns_of(data) == ("t", "y", "a", "sex")
