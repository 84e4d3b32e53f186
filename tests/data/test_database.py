from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from holdfast.data.database import public_name, read_query
from holdfast.errors import DataError, UnavailableError


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    database = sqlite3.connect(tmp_path / "shop.db")
    with database:
        database.execute("create table orders (id text, at text, amount real)")
        database.executemany(
            "insert into orders values (?, ?, ?)",
            [("a", "2026-01-01 10:00:00", None), ("b", "2026-01-02 10:00:00", 2.5)],
        )
    database.close()
    return tmp_path


def test_sqlite_is_relative_to_the_project(shop: Path) -> None:
    frame = read_query("sqlite:///shop.db", "select id, amount from orders order by id", shop)

    assert frame.rows() == [("a", None), ("b", 2.5)]


def test_values_that_begin_with_nulls_keep_their_type(shop: Path) -> None:
    with sqlite3.connect(shop / "shop.db") as database:
        rows = [(f"c{i:03d}", "2026-01-03", None) for i in range(500)]
        database.executemany("insert into orders values (?, ?, ?)", rows)
        database.execute("insert into orders values ('d', '2026-01-03', 7.5)")
    database.close()

    frame = read_query("sqlite:///shop.db", "select amount from orders order by amount", shop)

    assert frame["amount"].drop_nulls().to_list() == [2.5, 7.5]


@pytest.mark.parametrize(
    ("source", "query", "code"),
    [
        ("sqlite:///none.db", "select 1", "data.no_files"),
        ("sqlite:///shop.db", "select nothing from orders", "data.query_failed"),
        ("nosuch://ann:geheim@db/x", "select 1", "data.no_driver"),
        ("postgresql://ann:geheim@db:port/x", "select 1", "data.bad_url"),
    ],
)
def test_errors(shop: Path, source: str, query: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        read_query(source, query, shop)

    assert caught.value.code == code
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_unreachable_server_never_shows_the_password(tmp_path: Path) -> None:
    source = "postgresql://ann:ge%40heim@127.0.0.1:1/shop?connect_timeout=2"

    with pytest.raises(UnavailableError) as caught:
        read_query(source, "select 1", tmp_path)

    assert "heim" not in str(caught.value)
    assert "ann:***@127.0.0.1" in str(caught.value)


def test_passwords_may_come_from_the_environment(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_NAME", "shop")

    frame = read_query("sqlite:///${SHOP_NAME}.db", "select count(*) as n from orders", shop)

    assert frame["n"].to_list() == [2]


def test_a_variable_that_is_not_set_is_named(shop: Path) -> None:
    with pytest.raises(DataError, match="NO_SUCH_VARIABLE") as caught:
        read_query("postgresql://a:${NO_SUCH_VARIABLE}@db/x", "select 1", shop)

    assert caught.value.code == "data.no_variable"


@pytest.mark.parametrize("source", ["postgresql://a:geheim@db/x?password=geheim", "x://:geheim@["])
def test_what_is_shown_of_a_source_has_no_password(source: str) -> None:
    assert "geheim" not in public_name(source)


@pytest.mark.postgres
def test_postgresql() -> None:
    source = os.environ["HOLDFAST_TEST_POSTGRES"]
    query = "select 1 as id, now() as at, true as late, null::float8 as amount, 1.5::numeric as n"

    frame = read_query(source, query, Path())

    assert frame.select("id", "late", "amount").row(0) == (1, True, None)
    assert frame["at"].dtype.is_temporal()
