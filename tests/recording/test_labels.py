import threading
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.recording import parquet
from holdfast.recording.frames import frames
from holdfast.recording.labels import LabelStore, unknown
from holdfast.recording.log import PredictionLog

T = datetime(2024, 3, 1, tzinfo=UTC)


def at(minutes):
    return T + timedelta(minutes=minutes)


def frame(*rows, timed=None):
    ids, labels, times = zip(*rows, strict=True)
    columns = {"id": ids, "label": labels, "at": [at(time) for time in times]}
    made = pl.DataFrame(
        columns, schema={"id": pl.String, "label": pl.String, "at": pl.Datetime("us", "UTC")}
    )
    return made if timed is None else made.with_columns(timed=pl.lit(timed))


def words(store, until=None):
    return {row["id"]: row["label"] for row in store.latest("m", until).rows(named=True)}


@pytest.fixture
def store(tmp_path):
    return LabelStore(tmp_path / "labels")


def test_new_duplicate_and_corrected(store):
    assert store.add("m", frame(("a", "1", 0), ("b", "0", 0)), at(5)) == (2, 2, 0, 0)
    again = frame(("a", "1", 0), ("b", "1", 3), ("c", "1", 4), ("c", "1", 4))
    assert store.add("m", again, at(6)) == (4, 1, 2, 1)
    assert words(store) == {"a": "1", "b": "1", "c": "1"}
    assert store.scan("m").collect().height == 4  # history is kept


def test_the_same_file_again_changes_nothing(store):
    rows = frame(("a", "1", 0), ("b", "0", 0))
    store.add("m", rows, at(5))
    before = store.scan("m").collect()
    assert store.add("m", rows, at(9)) == (2, 0, 2, 0)
    assert store.scan("m").collect().equals(before)


def test_the_same_file_without_times_again_changes_nothing(store):
    assert store.add("m", frame(("a", "1", 5), timed=False), at(5)).new == 1
    assert store.add("m", frame(("a", "1", 9), timed=False), at(9)).duplicate == 1
    assert store.add("m", frame(("a", "0", 9), timed=False), at(9)).corrected == 1
    assert store.add("m", frame(("a", "1", 11), timed=False), at(11)).corrected == 1
    assert words(store) == {"a": "1"}


def test_the_last_word_is_by_label_time_then_by_arrival(store):
    store.add("m", frame(("a", "late", 10)), at(11))
    store.add("m", frame(("a", "early", 5)), at(12))
    assert words(store) == {"a": "late"}
    store.add("m", frame(("a", "same time", 10)), at(13))
    assert words(store) == {"a": "same time"}
    store.add("m", frame(("b", "first", 1), ("b", "second", 1)), at(14))
    assert words(store)["b"] == "second"


def test_what_was_known_at_a_time(store):
    store.add("m", frame(("a", "0", 1)), at(10))
    store.add("m", frame(("a", "1", 2)), at(20))
    assert words(store, at(9)) == {}
    assert words(store, at(10)) == {"a": "0"}
    assert words(store, at(20)) == {"a": "1"}


# One label time an id and label, as in life: two words on one id were not said at once.
said = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("01"), st.integers(0, 9)),
    unique_by=lambda row: (row[0], row[2]),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), rows=said)
def test_any_order_of_arrival_gives_the_same_last_words(tmp_path_factory, data, rows):
    root = tmp_path_factory.mktemp("labels")
    repeated = data.draw(st.lists(st.sampled_from(rows), max_size=3))
    found = []
    for number in range(2):
        store = LabelStore(root / str(number))
        order = data.draw(st.permutations(rows + repeated))
        cut = data.draw(st.integers(0, len(order)))
        added = [
            store.add("m", frame(*part), at(100 + i))
            for i, part in enumerate((order[:cut], order[cut:]))
            if part
        ]
        found.append(words(store))
        assert sum(one.new for one in added) == len({row[0] for row in rows})
        assert sum(one.duplicate for one in added) == len(repeated)
        assert sum(one.rows for one in added) == len(order)
    assert found[0] == found[1]
    assert found[0] == {row[0]: row[1] for row in sorted(rows, key=lambda row: row[2])}


def test_adding_at_once_keeps_all(store):
    def work(name):
        for number in range(5):
            store.add("m", frame((f"{name}{number}", "1", number)), at(number))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(words(store)) == 15


def test_many_small_files_are_merged(store, monkeypatch):
    monkeypatch.setattr(parquet, "FAN_IN", 4)
    for number in range(10):
        store.add("m", frame(("a", str(number), number)), at(number))
    assert store.scan("m").collect().height == 10
    assert words(store) == {"a": "9"}
    assert words(store, at(3)) == {"a": "3"}
    assert len(parquet.live_files(store.root / "model=m")) == 4


def test_no_labels_at_all(store):
    assert store.latest("nobody").is_empty()
    assert store.scan("nobody").collect().columns == ["id", "label", "at", "received_at", "seq"]


def test_labels_find_their_predictions_however_long_ago(tmp_path, batch):
    log = PredictionLog(tmp_path / "log")
    for day in range(30):
        number, time = 2 * day, (T + timedelta(days=day)).timestamp()
        made = [batch(number, at=time), batch(number + 1, at=time, role="shadow")]
        log.write(frames(made), f"aa-{day}")
    ids = [f"flight-{number}-0" for number in range(0, 62, 3)]
    assert unknown("delay", ids, log) == ["flight-60-0"]
    assert unknown("delay", ["r000000", "r000059", "r000060"], log) == ["r000060"]


def test_labels_of_unknown_predictions_are_kept_and_reported(store, tmp_path, batch):
    log = PredictionLog(tmp_path / "log")
    log.write(frames([batch(1, rows=2), batch(2, ids=None)]), "aa-1")
    ids = ["flight-1-0", "r000001:1", "r000002", "who", "flight-9-9", "who"]
    assert unknown("delay", ids, log) == ["flight-9-9", "who"]
    assert unknown("nobody", ["who"], log) == ["who"]
    store.add("delay", frame(("who", "1", 0)), at(1))
    assert store.latest("delay")["id"].to_list() == ["who"]


def test_duckdb_reads_it(store):
    store.add("m", frame(("a", "1", 0)), at(5))
    query = f"SELECT model, id, label FROM read_parquet('{store.root}/*/*.parquet')"
    assert duckdb.sql(query).fetchall() == [("m", "a", "1")]
