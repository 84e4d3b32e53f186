from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
import pytest

KINDS = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}


def tensors(row: dict[str, Any], count: int = 1) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": KINDS[type(value)], "shape": [count], "data": [value] * count}
        for name, value in row.items()
    ]


def infer(
    toys: Any, body: Any, task: str = "binary", headers: Any = None, version: str = ""
) -> Any:
    async def scene() -> Any:
        stand = toys.Stand()
        await stand.live(task)
        return await stand.call("POST", f"/v2/models/toy{version}/infer", body, headers)

    return toys.run(scene())


def test_metadata(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live("multiclass")
        for path in ("/v2", "/v2/"):
            body = (await stand.call("GET", path)).json
            assert body["name"] == "holdfast"
            assert body["extensions"] == ["binary_tensor_data"]
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert (await stand.call("GET", path)).json == {"live": True, "ready": True}
        for path in ("/v2/models/toy", "/v2/models/toy/versions/1"):
            body = (await stand.call("GET", path)).json
            assert body["name"] == "toy"
            assert body["versions"] == ["1"]
            assert body["platform"] == "holdfast_onnx"
            assert body["inputs"][0] == {"name": "amount", "datatype": "FP64", "shape": [-1]}
            assert [item["datatype"] for item in body["inputs"]] == [
                "FP64", "FP64", "INT64", "BOOL", "BYTES", "BYTES",
            ]  # fmt: skip
            assert body["outputs"] == [
                {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
                {"name": "probability", "datatype": "FP64", "shape": [-1, 3]},
            ]
            assert (await stand.call("GET", path + "/ready")).json == {"name": "toy", "ready": True}

    toys.run(scene())


@pytest.mark.parametrize(
    ("task", "datatype", "shape"),
    [("binary", "BOOL", [2]), ("multiclass", "BYTES", [2, 3]), ("regression", "FP64", None)],
)
def test_outputs(toys: Any, task: str, datatype: str, shape: Any) -> None:
    body = infer(toys, {"id": "mine", "inputs": tensors(toys.ROW, 2)}, task).json
    assert body["id"] == "mine"
    assert (body["model_name"], body["model_version"]) == ("toy", "1")
    prediction, *probability = body["outputs"]
    assert (prediction["name"], prediction["datatype"]) == ("prediction", datatype)
    assert prediction["shape"] == [2]
    assert len(prediction["data"]) == 2
    if shape is None:
        assert probability == []
    else:
        assert probability[0]["name"] == "probability"
        assert probability[0]["datatype"] == "FP64"
        assert probability[0]["shape"] == shape
        assert len(probability[0]["data"]) == int(np.prod(shape))


def test_asked_outputs_and_versions(toys: Any) -> None:
    body = {"inputs": tensors(toys.ROW), "outputs": [{"name": "probability"}]}
    answered = infer(toys, body, version="/versions/1")
    assert [output["name"] for output in answered.json["outputs"]] == ["probability"]
    assert answered.json["id"] == answered.headers["x-holdfast-prediction-id"]
    assert infer(toys, body, "regression").status == 400


def test_binary_in_and_out(toys: Any) -> None:
    parts, inputs = [], []
    for name, value in toys.ROW.items():
        if isinstance(value, str):
            raw = struct.pack("<I", len(value)) + value.encode()
        else:
            raw = np.array(
                [value], {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}[KINDS[type(value)]]
            )
            raw = raw.tobytes()
        parts.append(raw)
        size = {"binary_data_size": len(raw)}
        inputs.append(
            {"name": name, "datatype": KINDS[type(value)], "shape": [1], "parameters": size}
        )
    head = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    answered = infer(toys, head + b"".join(parts), "multiclass", headers)
    assert answered.status == 200, answered.body
    assert answered.headers["content-type"] == "application/octet-stream"
    length = int(answered.headers["inference-header-content-length"])
    first, second = msgspec.json.decode(answered.body[:length])["outputs"]
    rest = answered.body[length:]
    assert first["parameters"]["binary_data_size"] == 7
    assert rest[:7] == b"\x03\x00\x00\x00mid"
    assert second["parameters"]["binary_data_size"] == 24
    assert np.frombuffer(rest[7:], "<f8").sum() == pytest.approx(1.0)

    for wrong in (head + b"".join(parts) + b"x", head + b"".join(parts)[:-1], head):
        assert infer(toys, wrong, headers=headers).status == 400
    headers["inference-header-content-length"] = "99999"
    assert infer(toys, head, headers=headers).status == 400


def changed(row: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    first, *rest = tensors(row)
    first = {**first, **more}
    return [{key: value for key, value in first.items() if value is not ...}, *rest]


@pytest.mark.parametrize(
    "more",
    [
        {"shape": [2]},
        {"shape": [1, 2]},
        {"shape": [1, 1, 1]},
        {"shape": [-1]},
        {"shape": [10**12]},
        {"shape": [True]},
        {"shape": ...},
        {"shape": []},
        {"data": ...},
        {"data": [1.0, 2.0]},
        {"data": [[1.0, 2.0]]},
        {"data": "hunter2"},
        {"data": ["hunter2"]},
        {"datatype": "BYTES"},
        {"datatype": "BYTES", "data": ["1.0"]},
        {"datatype": "INT64", "data": [1.5]},
        {"datatype": "FP8"},
        {"datatype": ["FP64"]},
        {"datatype": ...},
        {"name": "age"},
        {"name": 1},
        {"parameters": {"binary_data_size": 8}},
        {"parameters": {"binary_data_size": -1}, "data": ...},
        {"parameters": {"binary_data_size": 8}, "data": ...},
    ],
)
def test_tensors_that_do_not_fit(toys: Any, more: dict[str, Any]) -> None:
    answered = infer(toys, {"inputs": changed(toys.ROW, **more)})
    assert answered.status in (400, 413)
    assert "hunter2" not in answered.json["error"]


@pytest.mark.parametrize(
    "more",
    [
        {"id": 1}, {"id": "x" * 257}, {"inputs": {}}, {"inputs": []}, {"inputs": [1]},
        {"outputs": [{"name": "hunter2"}]}, {"outputs": {}}, {"outputs": [1]},
        {"parameters": []},
    ],
)  # fmt: skip
def test_requests_that_do_not_fit(toys: Any, more: dict[str, Any]) -> None:
    answered = infer(toys, {"inputs": tensors(toys.ROW), **more})
    assert answered.status == 400
    assert "hunter2" not in answered.json["error"]


def test_smaller_datatypes_are_taken(toys: Any) -> None:
    inputs = changed(toys.ROW, datatype="FP32")
    inputs[1] = {**inputs[1], "datatype": "INT32", "data": [40]}
    inputs[2] = {**inputs[2], "datatype": "UINT8"}
    assert infer(toys, {"inputs": inputs}).status == 200
