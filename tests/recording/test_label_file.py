import io
import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from holdfast.errors import LabelError
from holdfast.recording.label_file import MOST_NAMED, SCHEMA, read_labels

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
AT = datetime(2024, 2, 29, 8, 30, tzinfo=UTC)
BINARY = {"task": "binary", "classes": (False, True)}


def read(text, **arguments):
    data = text if isinstance(text, bytes) else text.encode()
    return read_labels(io.BytesIO(data), now=NOW, **arguments)


def refused(text, **arguments):
    with pytest.raises(LabelError) as caught:
        read(text, **arguments)
    return caught.value


def rows(frame):
    assert dict(frame.schema) == SCHEMA
    return frame.rows()


@pytest.mark.parametrize("as_path", [True, False])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same(tmp_path, form, as_path):
    frame = pl.DataFrame({"flight": ["a", "b"], "late": [True, False], "known": [AT, AT]})
    path = tmp_path / f"labels.{form}"
    if form == "parquet":
        frame.write_parquet(path)
    elif form == "csv":
        frame.write_csv(path)
    else:
        frame.write_ndjson(path)
    found = read_labels(
        path if as_path else io.BytesIO(path.read_bytes()),
        id_column="flight",
        label_column="late",
        time_column="known",
        now=NOW,
        **BINARY,
    )
    assert rows(found) == [("a", "true", AT, True), ("b", "false", AT, True)]


def test_standard_input(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(b"id,label\na,1\n")

    monkeypatch.setattr("sys.stdin", Stdin)
    assert rows(read_labels("-", now=NOW, **BINARY)) == [("a", "true", NOW, False)]


def test_columns_fall_back_to_plain_names():
    found = read("id,label,time\n7,1.5,\n", id_column="flight", label_column="late")
    assert rows(found) == [("7", "1.5", NOW, False)]
    assert rows(read("prediction_id,label\nr1:0,x\n")) == [("r1:0", "x", NOW, False)]


@pytest.mark.parametrize(
    "written",
    [
        "2024-02-29T08:30:00Z",
        "2024-02-29 08:30:00",
        "2024-02-29T09:30:00+01:00",
        "1709195400",
        "1709195400.0",
    ],
)
def test_times(written):
    assert read(f"id,label,time\na,1,{written}\n")["at"].item() == AT


def test_dates_and_naive_times_of_parquet_are_utc(tmp_path):
    frame = pl.DataFrame({"id": [1, 2], "label": [1.0, 2.0], "time": [AT.replace(tzinfo=None)] * 2})
    frame.write_parquet(tmp_path / "a.parquet")
    found = read_labels(tmp_path / "a.parquet", now=NOW, task="regression")
    assert rows(found) == [("1", "1.0", AT, True), ("2", "2.0", AT, True)]
    frame.with_columns(pl.col("time").dt.date()).write_parquet(tmp_path / "a.parquet")
    found = read_labels(tmp_path / "a.parquet", now=NOW)
    assert found["at"].unique().to_list() == [AT.replace(hour=0, minute=0)]


@pytest.mark.parametrize(
    ("task", "classes", "given", "kept"),
    [
        ("binary", (False, True), ["true", "FALSE", "0", "1", "1.0"], None),
        ("binary", (0, 1), ["true", "0", "1.0"], ["1", "0", "1"]),
        ("multiclass", (1, 2, 3), ["1", "2.0"], ["1", "2"]),
        ("multiclass", ("no", "Yes"), ["no", "Yes"], ["no", "Yes"]),
        ("regression", (), ["1", "-2.5e3"], ["1.0", "-2500.0"]),
        (None, (), ["anything", "3"], ["anything", "3"]),
    ],
)
def test_labels_of_a_task(task, classes, given, kept):
    text = "id,label\n" + "".join(f"a,{value}\n" for value in given)
    found = read(text, task=task, classes=classes)["label"].to_list()
    assert found == (kept or ["true", "false", "false", "true", "true"])


def test_bad_rows_are_named_and_nothing_is_kept():
    text = "id,label,time\na,1,\n,1,\nb,maybe,\nc,,\nd,1,yesterday\ne,1\nf,1,2031-01-01\n"
    error = refused(text, **BINARY)
    assert error.code == "labels.bad_rows"
    assert error.message == (
        "6 of 7 rows cannot be taken, so none was kept: row 3: id is missing; "
        "row 4: label 'maybe' is none of the classes false, true; row 5: label is missing; "
        "row 6: time 'yesterday' is not ISO 8601; row 7: has 2 values for 3 columns; "
        "row 8: time 2031-01-01T00:00:00+00:00 is in the future"
    )


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "x"])
def test_outcomes_of_a_regression_are_finite_numbers(value):
    assert "row 2: label" in refused(f"id,label\na,{value}\n", task="regression").message


def test_strange_values_of_json_are_named():
    lines = [
        '{"id": 1, "label": 1}',
        '{"id": {}, "label": 1}',
        '{"id": 1, "label": [1]}',
        "[1]",
        "{",
        "",
        '{"id": 2, "label": 1, "time": []}',
        '{"id": 3, "label": 1, "time": true}',
    ]
    message = refused("\n".join(lines), **BINARY).message
    assert re.findall(r"row (\d)", message) == ["2", "3", "4", "5", "7", "8"]


def test_at_most_twenty_rows_are_named():
    error = refused("id,label\n" + "a,maybe\n" * 50, **BINARY)
    assert error.message.count("row ") == MOST_NAMED
    assert error.message.endswith("and 30 more")


def test_a_missing_column_is_named_with_the_nearest():
    error = refused("flight_no,late\na,1\n", id_column="flight_id", label_column="late")
    assert error.message == "the labels have no id column 'flight_id'"
    assert error.fix == "Did you mean 'flight_no'?"
    assert refused("").fix == "It has: none."


@pytest.mark.parametrize(
    ("data", "form"),
    [(b"\xff\xfe\x00", None), (b"PAR1 and then nothing", None), (b"id,label\n", "parquet")],
)
def test_what_cannot_be_read_at_all(data, form):
    assert refused(data, format=form).code == "labels.format"


def test_broken_quotes_are_named():
    assert "is not CSV" in refused('id,label\na,1\n"b,1\n').message


def test_quotes_marks_and_empty_lines_are_read():
    text = '\ufeffid, label \n"a,\nb",1\n\nc,0\n'
    assert read(text, **BINARY)["id"].to_list() == ["a,\nb", "c"]


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(LabelError, match="cannot read"):
        read_labels(tmp_path / "nothing.csv", now=NOW)


def test_the_clock_of_another_machine_may_be_ahead_a_little():
    late = (NOW + timedelta(hours=1)).isoformat()
    assert read(f"id,label,time\na,1,{late}\n").height == 1
