from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest

from holdfast.recording import parquet
from holdfast.recording.frames import frames
from holdfast.recording.log import PredictionLog

DAY = 86_400.0
FIRST = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    return PredictionLog(tmp_path / "log")


@pytest.fixture
def filled(log, batch):
    """Three days; version 2 has another feature and another type."""
    old = [batch(n, at=FIRST.timestamp() + n * DAY / 2, columns=[[n], ["AA"]]) for n in range(4)]
    log.write(frames(old), "aa-1")
    new = [
        batch(
            n,
            at=FIRST.timestamp() + n * DAY / 2,
            version=2,
            role="shadow" if n % 2 else "live",
            error="boom" if n == 5 else "",
            names=("x", "origin"),
            columns=[[n / 4], [None]],
        )
        for n in range(4, 6)
    ]
    log.write(frames(new), "aa-2")
    odd = batch(6, at=FIRST.timestamp(), version=3, columns=[["many"], [7]])
    log.write(frames([odd]), "aa-3")
    return log


def test_rows_of_all_versions_are_one_table(filled):
    frame = filled.scan("delay").sort("request").collect()
    assert frame["f_x"].to_list() == ["0", "1", "2", "3", "1.0", "1.25", "many"]
    assert frame["f_carrier"].to_list() == [*["AA"] * 4, None, None, "7"]
    assert frame["f_origin"].to_list() == [None] * 7
    narrow = filled.scan("delay", version=2).select("f_x").collect()
    assert narrow.height == 2


def test_numbers_widen_without_text(log, batch):
    log.write(frames([batch(0, columns=[[1], [None]])]), "aa-1")
    log.write(frames([batch(1, columns=[[1.5], ["AA"]])]), "aa-2")
    frame = log.scan("delay").sort("request").collect()
    assert frame["f_x"].to_list() == [1.0, 1.5]
    assert frame["f_carrier"].to_list() == [None, "AA"]


def test_scanning_by_time_version_and_role(filled):
    def found(**arguments):
        return sorted(filled.scan("delay", **arguments).collect()["request"].str.tail(1))

    assert found(start=FIRST + timedelta(hours=12)) == ["1", "2", "3", "4", "5"]
    assert found(end=FIRST + timedelta(hours=12)) == ["0", "6"]
    assert found(start=FIRST, end=FIRST) == []
    assert found(version=2) == ["4", "5"]
    assert found(role="shadow") == ["5"]
    assert found(start=FIRST + timedelta(days=1), version=1) == ["2", "3"]


def test_other_dates_are_not_even_opened(filled):
    days = filled.dates("delay")
    assert days == [date(2023, 11, 14) + timedelta(days=n) for n in range(4)]
    files = filled.files("delay", FIRST + timedelta(days=1), FIRST + timedelta(days=1))
    assert {path.parent.name for path in files} == {"date=2023-11-15"}


def test_evidence_of_what_was_live(filled):
    assert filled.counts("delay").rows() == [
        (1, "live", 4, 0, FIRST, FIRST + timedelta(days=1.5)),
        (2, "live", 1, 0, FIRST + timedelta(days=2), FIRST + timedelta(days=2)),
        (2, "shadow", 1, 1, FIRST + timedelta(days=2.5), FIRST + timedelta(days=2.5)),
        (3, "live", 1, 0, FIRST, FIRST),
    ]
    assert filled.counts("delay", FIRST + timedelta(days=2)).height == 2
    assert filled.first_last("delay") == (FIRST, FIRST + timedelta(days=2.5))


def test_a_model_without_predictions(log):
    frame = log.scan("nobody", FIRST).collect()
    assert frame.is_empty()
    assert "prediction_id" in frame.columns
    assert log.first_last("nobody") is None
    assert log.counts("nobody").is_empty()
    assert log.models() == []


def test_the_same_name_replaces(log, batch):
    log.write(frames([batch(0)]), "aa-1")
    log.write(frames([batch(0)]), "aa-1")
    assert log.scan("delay").collect().height == 1
    assert list(log.root.rglob("*.tmp")) == []


def test_names_of_models_cannot_leave_the_folder(log, batch, tmp_path):
    log.write(frames([batch(0, model="../../evil/m")]), "aa-1")
    assert log.models() == ["../../evil/m"]
    assert log.scan("../../evil/m").collect().height == 1
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_duckdb_reads_it_as_documented(filled):
    query = f"""
        SELECT model, date, version, count(*) AS n, avg(score) AS score, min("at") AS first,
               max(f_x) AS x
        FROM read_parquet('{filled.root}/**/*.parquet', hive_partitioning = true,
                          union_by_name = true)
        WHERE model = 'delay' AND role = 'live' GROUP BY ALL ORDER BY date, version
    """
    rows = duckdb.sql(query).pl()
    assert rows["n"].sum() == 6
    assert rows.row(0, named=True) == {
        "model": "delay",
        "date": date(2023, 11, 14),
        "version": 1,
        "n": 1,
        "score": 0.75,
        "first": FIRST,
        "x": "0",
    }


def test_merging_keeps_every_row_once(log, batch, monkeypatch):
    day = FIRST.date()

    def requests():
        return sorted(log.scan("delay").collect()["request"])

    merged = []
    for n in range(3 * parquet.FAN_IN):
        columns = [[n if n % 3 else n / 2], [None if n % 2 else "AA"]]
        log.write(frames([batch(n, at=FIRST.timestamp(), columns=columns)]), f"aa-{n:04d}")
        path = log.merge("delay", day, "aa")
        merged += [path] if path else []
        assert requests() == [f"r{i:06d}" for i in range(n + 1)]
    assert len(merged) == 3
    assert len(log.files("delay")) == 3
    log.write(frames([batch(0, at=FIRST.timestamp())]), "aa-0000")  # a recorder that was behind
    assert len(requests()) == 3 * parquet.FAN_IN

    monkeypatch.setattr(parquet, "GRACE_SECONDS", -1.0)
    log.merge("delay", day, "aa")
    assert len(list(log.root.rglob("*.parquet"))) == 3
    assert len(requests()) == 3 * parquet.FAN_IN


def test_merged_files_are_merged(log, batch, monkeypatch):
    monkeypatch.setattr(parquet, "FAN_IN", 3)
    monkeypatch.setattr(parquet, "GRACE_SECONDS", -1.0)
    for n in range(30):
        log.write(frames([batch(n, at=FIRST.timestamp() + n)]), f"aa-{n:04d}")
        while log.merge("delay", FIRST.date(), "aa"):
            pass
        assert log.scan("delay").collect()["request"].n_unique() == n + 1
        assert log.scan("delay").collect().height == n + 1
    names = [path.name for path in log.files("delay")]
    assert any(name.startswith("aa-m3-") for name in names)
    assert len(names) <= 7


def test_only_the_owner_s_files_are_merged(log, batch, monkeypatch):
    monkeypatch.setattr(parquet, "FAN_IN", 3)
    for n in range(6):
        owner = "aa" if n % 2 else "bb"
        log.write(frames([batch(n, at=FIRST.timestamp())]), f"{owner}-{n:04d}")
    assert log.merge("delay", FIRST.date(), "aa").name.startswith("aa-m1-")
    assert sum(path.name.startswith("bb-") for path in log.files("delay")) == 3
    assert log.scan("delay").collect().height == 6


def test_a_reader_that_listed_before_the_merge_still_finds_its_files(log, batch, monkeypatch):
    monkeypatch.setattr(parquet, "FAN_IN", 3)
    for n in range(3):
        log.write(frames([batch(n, at=FIRST.timestamp())]), f"aa-{n:04d}")
    before = log.scan("delay")
    assert log.merge("delay", FIRST.date(), "aa")
    log.merge("delay", FIRST.date(), "aa")
    assert before.collect().height == 3
    assert log.scan("delay").select(pl.len()).collect().item() == 3


def test_vectors_of_one_version_beside_another_thing_of_the_next(log, batch):
    def one(number, cell, **more):
        return batch(number, names=("e",), columns=[[cell]], at=FIRST.timestamp(), **more)

    log.write(frames([one(0, [0.25, -3.0])]), "aa-1")
    log.write(frames([one(1, None)]), "aa-2")
    alone = log.scan("delay").sort("request").collect()
    assert alone.schema["f_e"] == pl.List(pl.Float64)
    assert alone["f_e"].to_list() == [[0.25, -3.0], None]
    log.write(frames([one(2, "hash:ab", version=2)]), "aa-3")
    mixed = log.scan("delay").sort("request").collect()
    assert mixed["f_e"].to_list() == ["[0.25,-3.0]", None, "hash:ab"]
    for path in log.files("delay"):
        if "aa-1" in path.name:
            found = duckdb.sql(f"SELECT f_e[2] FROM read_parquet('{path}')").fetchall()
            assert found == [(-3.0,)]
