from __future__ import annotations

from typing import Any

import pytest


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
