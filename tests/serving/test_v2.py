from __future__ import annotations

import struct
import zlib
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
        {"datatype": "INT8", "data": [128]},
        {"datatype": "UINT8", "data": [-1]},
        {"datatype": "UINT64", "data": [2**64]},
        {"datatype": "FP32", "data": [1e39]},
        {"datatype": "FP16", "data": [70000]},
        {"datatype": "FP64", "data": [10**400]},
        {"parameters": []},
        {"parameters": {"shared_memory_region": "hunter2"}},
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
        {"parameters": []}, {"parameters": {"sequence_id": 7}},
        {"parameters": {"binary_data_output": "hunter2"}},
        {"outputs": [{"name": "prediction", "parameters": {"classification": 1}}]},
        {"outputs": [{"name": "prediction", "parameters": {"binary_data": 1}}]},
        {"outputs": [{"name": ["prediction"]}]},
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


PACKED = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?"} | {
    f"{sign}INT{8 * size}": f"<{kind}{size}"
    for sign, kind in (("", "i"), ("U", "u"))
    for size in (1, 2, 4, 8)
}


@pytest.mark.parametrize("datatype", sorted(PACKED))
def test_every_datatype_means_the_same_in_json_and_in_bytes(toys: Any, datatype: str) -> None:
    name = "member" if datatype == "BOOL" else "amount"
    value = {"BOOL": True}.get(datatype, 0.1 if datatype.startswith("FP") else 7)
    raw = np.array([value], PACKED[datatype]).tobytes()
    rest = [tensor for tensor in tensors(toys.ROW) if tensor["name"] != name]
    head = {"name": name, "datatype": datatype, "shape": [1]}
    size = {"binary_data_size": len(raw)}
    mixed = msgspec.json.encode({"inputs": [*rest, {**head, "parameters": size}]})

    async def scene() -> None:
        stand = toys.Stand()
        await stand.live("regression")
        body = {"inputs": [{**head, "data": [value]}, *rest]}
        plain = await stand.call("POST", "/v2/models/toy/infer", body)
        length = {"inference-header-content-length": str(len(mixed))}
        packed = await stand.call("POST", "/v2/models/toy/infer", mixed + raw, length)
        assert plain.status == packed.status == 200, (plain.body, packed.body)
        assert plain.json["outputs"] == packed.json["outputs"]
        assert "inference-header-content-length" not in packed.headers
        first, second = stand.spool.batches
        assert first.cells() == second.cells()

    toys.run(scene())


def test_bytes_that_are_no_booleans(toys: Any) -> None:
    rest = [tensor for tensor in tensors(toys.ROW) if tensor["name"] != "member"]
    head = {"name": "member", "datatype": "BOOL", "shape": [1]}
    mixed = msgspec.json.encode(
        {"inputs": [*rest, {**head, "parameters": {"binary_data_size": 1}}]}
    )
    headers = {"inference-header-content-length": str(len(mixed))}
    assert infer(toys, mixed + b"\x01", headers=headers).status == 200
    assert infer(toys, mixed + b"\x02", headers=headers).status == 400


def test_each_output_in_the_form_that_was_asked_for(toys: Any) -> None:
    outputs = [
        {"name": "prediction", "parameters": {"binary_data": False}},
        {"name": "probability"},
    ]
    body = {
        "inputs": tensors(toys.ROW), "outputs": outputs, "id": "mine",
        "parameters": {"binary_data_output": True, "a hint": 1},
    }  # fmt: skip
    answered = infer(toys, body)
    length = int(answered.headers["inference-header-content-length"])
    head = msgspec.json.decode(answered.body[:length])
    label, share = head["outputs"]
    assert label["data"] == [True]
    assert "data" not in share
    assert share["parameters"] == {"binary_data_size": 8}
    assert len(answered.body) == length + 8
    assert head["id"] == "mine"
    assert head["parameters"]["prediction_id"] == answered.headers["x-holdfast-prediction-id"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "TRACE"])
@pytest.mark.parametrize(
    "path",
    ["/v2", "/v2/nothing", "/v2/models", "/v2/models/", "/v2/models/toy", "/v2/models/toy/nothing",
     "/v2/models/other", "/v2/models/toy/versions", "/v2/models/toy/versions/9/infer",
     "/v2/models/toy/infer", "/v2/health/ready", "/v2/health/nothing", "/v2/models/toy/ready"],
)  # fmt: skip
def test_whatever_goes_wrong_is_json(toys: Any, method: str, path: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call(method, path, b"" if method == "GET" else b"{}")
        if answered.status != 200:
            assert answered.status in (400, 404, 405)
            assert answered.json.keys() == {"error"}
            assert answered.headers["content-type"] == "application/json"

    toys.run(scene())


@pytest.mark.parametrize("packing", ["gzip", "GZIP", "deflate", "raw deflate", "identity"])
@pytest.mark.parametrize("path", ["/invocations", "/v1/models/toy:predict", "/v2/models/toy/infer"])
def test_packed_bodies_in_every_contract(toys: Any, path: str, packing: str) -> None:
    form = {"inputs": tensors(toys.ROW)} if "v2" in path else {"instances": [toys.ROW]}
    body = msgspec.json.encode(form)
    window = {"gzip": 31, "GZIP": 31, "deflate": 15, "raw deflate": -15}.get(packing)
    if window is not None:
        packer = zlib.compressobj(wbits=window)
        body = packer.compress(body) + packer.flush()
    encoding = {"content-encoding": packing.removeprefix("raw ")}

    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        assert (await stand.call("POST", path, body, encoding)).status == 200
        if window is not None:
            assert (await stand.call("POST", path, body[:-4], encoding)).status == 400

    toys.run(scene())
