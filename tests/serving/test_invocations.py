from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import RequestError
from holdfast.serving.invocations import read_tolerant

JSON = st.recursive(
    st.none() | st.integers(-(2**63), 2**63) | st.floats(allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
)


def post(toys: Any, body: Any, task: str = "binary", headers: Any = None) -> Any:
    async def scene() -> Any:
        stand = toys.Stand()
        await stand.live(task)
        return await stand.call("POST", "/invocations", body, headers)

    return toys.run(scene())


def test_shapes_of_the_answers(toys: Any) -> None:
    body = {"dataframe_records": [toys.ROW, toys.ROW]}
    binary = post(toys, body).json
    assert binary.keys() == {"predictions"}
    assert len(binary["predictions"]) == 2
    assert binary["predictions"][0] == {
        "prediction": True, "probability": pytest.approx(0.609, abs=1e-3),
    }  # fmt: skip
    many = post(toys, body, "multiclass").json["predictions"][0]
    assert many["prediction"] == "mid"
    assert sum(many["probability"]) == pytest.approx(1.0)
    assert len(many["probability"]) == 3
    assert post(toys, body, "regression").json == {"predictions": [44.5, 44.5]}


def test_inputs_may_be_one_row_and_split_may_leave_out_the_columns(toys: Any) -> None:
    assert post(toys, {"inputs": toys.ROW}).status == 200
    assert post(toys, {"dataframe_split": {"data": [list(toys.ROW.values())]}}).status == 200
    split = {"columns": list(toys.ROW), "index": [0], "data": [list(toys.ROW.values())]}
    assert post(toys, {"dataframe_split": split, "params": {}}).status == 200
    assert post(toys, {"instances": [list(toys.ROW.values())]}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [], "inputs": []},
        {"dataframe_split": []},
        {"dataframe_split": {"columns": ["age"]}},
        {"dataframe_split": {"columns": [1], "data": [[1]]}},
        {"dataframe_split": {"columns": "age", "data": [[1]]}},
        {"dataframe_split": {"columns": [], "data": [[]], "more": 1}},
        {"dataframe_records": {"age": 1}},
        {"inputs": {"age": [1], "amount": 2}},
        {"inputs": {"age": [1], "amount": [2, 3]}},
        {"inputs": {}},
        {"inputs": "x"},
        {"instances": [[1]], "params": {"temperature": 1}},
    ],
)
def test_forms_that_are_none(toys: Any, body: Any) -> None:
    answered = post(toys, body)
    assert answered.status == 400
    assert answered.json["error_code"] == "BAD_REQUEST"


CSV = b"amount,age,count,member,city,since\n1.5,40,3,True,Oslo,2024-05-01T10:00:00Z\n"


def test_csv(toys: Any) -> None:
    kind = {"content-type": "text/csv; charset=utf-8"}
    assert post(toys, CSV, "regression", kind).json == {"predictions": [44.5]}
    for wrong in (
        CSV.replace(b"40", b"nan"),
        CSV.replace(b"40", b"4_0"),
        CSV.replace(b"True", b"1"),
        CSV.replace(b",3,", b",3.5,"),
        CSV.replace(b"amount", b"amuont"),
        CSV + b"1,2\n",
        CSV.replace(b"Oslo", b"\xff"),
        CSV.replace(b"Oslo", b'"Oslo'),
        b"",
        b"amount\n",
    ):
        answered = post(toys, wrong, headers=kind)
        assert answered.status == 400, wrong
        assert answered.json.keys() == {"error_code", "message"}


def test_version_and_ping(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call("GET", "/version")
        assert answered.headers["content-type"].startswith("text/plain")
        assert answered.body
        answered = await stand.call("HEAD", "/ping")
        assert (answered.status, answered.body) == (200, b"")

    toys.run(scene())


def test_csv_without_a_header_line(toys: Any) -> None:
    kind = {"content-type": "text/csv; header=absent"}
    cells = b"1.5,40,3,True,Oslo,2024-05-01T10:00:00Z\n"
    assert post(toys, cells * 2, "regression", kind).json == {"predictions": [44.5, 44.5]}
    for wrong in (CSV, b"", cells + b"1,2\n"):
        assert post(toys, wrong, headers=kind).status == 400


def test_json_lines(toys: Any) -> None:
    kind = {"content-type": "application/jsonlines"}
    row = msgspec.json.encode(toys.ROW)
    cells = msgspec.json.encode(list(toys.ROW.values()))
    for body in (row + b"\n" + row, row + b"\r\n\n" + row + b"\n", cells + b"\n" + cells):
        assert post(toys, body, "regression", kind).json == {"predictions": [44.5, 44.5]}
    for wrong in (
        b"",
        b"\n",
        b"{",
        row + b"\n{}",
        row + b"\n1",
        b"[1]",
        row.replace(b"1.5", b"NaN"),
    ):
        assert post(toys, wrong, headers=kind).status == 400, wrong


def test_answers_in_the_form_that_is_accepted(toys: Any) -> None:
    body = {"instances": [toys.ROW, toys.ROW]}
    csv, lines = {"accept": "text/csv"}, {"accept": "application/jsonlines"}
    answered = post(toys, body, "regression", csv)
    assert answered.headers["content-type"] == "text/csv; charset=utf-8"
    assert answered.body == b"44.5\n44.5\n"
    label, share = post(toys, body, "binary", csv).body.splitlines()[0].split(b",")
    assert (label, float(share)) == (b"true", pytest.approx(0.609, abs=1e-3))
    assert len(post(toys, body, "multiclass", csv).body.splitlines()[1].split(b",")) == 4
    answered = post(toys, body, "binary", lines)
    assert answered.headers["content-type"] == "application/jsonlines"
    rows = [msgspec.json.decode(line) for line in answered.body.splitlines()]
    assert rows == post(toys, body, "binary").json["predictions"]
    assert post(toys, body, "regression", lines).body == b"44.5\n44.5\n"
    refused = post(toys, body, "regression", {"accept": "image/png"})
    assert (refused.status, refused.json.keys()) == (406, {"error_code", "message"})


def test_an_answer_that_is_no_number_is_null(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live("regression", shift=float("nan"))
        body = {"instances": [toys.ROW]}
        assert (await stand.call("POST", "/invocations", body)).body == b'{"predictions":[null]}'
        for accept, text in (("text/csv", b'""\n'), ("application/jsonlines", b"null\n")):
            answered = await stand.call("POST", "/invocations", body, {"accept": accept})
            assert answered.body == text

    toys.run(scene())


def test_nan_is_null_as_mlflows_client_writes_it(toys: Any) -> None:
    body = json.dumps({"dataframe_records": [{**toys.ROW, "amount": float("nan"), "city": "NaN"}]})
    expected = {"dataframe_records": [{**toys.ROW, "amount": None, "city": "NaN"}]}
    assert post(toys, body.encode()).json == post(toys, expected).json
    for wrong in ("Infinity", "-Infinity", "-NaN", "NaNNaN", "nan", "1e999"):
        assert post(toys, body.replace("NaN", wrong, 1).encode()).status == 400
    # a column that may not be null
    body = json.dumps({"dataframe_records": [{**toys.ROW, "age": float("nan")}]})
    assert "null" in post(toys, body.encode()).json["message"]


@settings(max_examples=200, deadline=None)
@given(value=JSON)
def test_tolerant_reading_changes_nothing_but_nan(value: Any) -> None:
    text = json.dumps({"a": value}).encode()
    expected = json.loads(text, parse_constant=lambda _: None)
    assert read_tolerant(text) == expected


@pytest.mark.parametrize(
    "body", [b'"' + rb"\"" * 400_000 + b"NaN", b'NaN"' * 200_001, b"NaN\\" * 9]
)
def test_tolerant_reading_is_not_slow_on_purpose(body: bytes) -> None:
    with pytest.raises(RequestError):
        read_tolerant(body)


def test_a_body_of_no_type_is_json(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        body = msgspec.json.encode({"instances": [toys.ROW]})
        sent = {"content-type": ""}
        assert (await stand.call("POST", "/invocations", body, sent)).status == 200
        refused = await stand.call("POST", "/invocations", CSV, sent)
        assert (refused.status, refused.json["error_code"]) == (400, "BAD_REQUEST")

    toys.run(scene())
