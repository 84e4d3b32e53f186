"""A model that takes vectors: clear refusals, metadata, documents, and forms that are unlike."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.records import Field

INPUTS = (
    Field(name="image", type="vector", width=3, nullable=False),
    Field(name="age", type="double"),
)
ROW = {"image": [0.5, 1.5, -7.25], "age": 4.0}
PARQUET = {"content-type": "application/vnd.apache.parquet"}


async def _stand(toys: Any) -> Any:
    stand = toys.Stand()
    await stand.live("regression", inputs=INPUTS)
    return stand


def _parquet(array: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"image": array, "age": [4.0] * len(array)}), file, **more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ([1, 2], "'image' must be a list of 3 numbers, but row 0 has 2 of them"),
        ([1, None, 2], "'image' must be a list of 3 numbers, but a list in it holds null"),
        ([1, "SECRET", 2], "'image' must be a list of 3 numbers, but a list in it holds text"),
        ([1, [2], 3], "'image' must be a list of 3 numbers, but a list in it holds a list"),
        ([1, True, 3], "but a list in it holds true or false"),
        ("SECRET", "'image' must be a list of 3 numbers, but row 0 holds text"),
        (None, "'image' must be a list of 3 numbers, but row 0 holds null"),
        ([10**400, 1, 2], "'image' must be a list of 3 numbers, but holds a value that is not"),
    ],
)
def test_what_is_wrong_with_a_vector_is_said(toys: Any, cell: Any, says: str) -> None:
    async def scenario() -> None:
        stand = await _stand(toys)
        body = json.dumps({"instances": [{**ROW, "image": cell}]}).encode()
        answered = await stand.call("POST", "/invocations", body)
        assert answered.status == 400
        assert says in answered.json["message"]
        assert b"SECRET" not in answered.body
        assert stand.spool.batches == []

    toys.run(scenario())


def test_csv_cannot_hold_one(toys: Any) -> None:
    async def scenario() -> None:
        stand = await _stand(toys)
        answered = await stand.call(
            "POST", "/invocations", b"image,age\n1,2\n", {"content-type": "text/csv"}
        )
        assert answered.status == 415
        assert "a cell of CSV cannot hold the vector 'image'" in answered.json["message"]

    toys.run(scenario())


def test_inputs_may_be_one_row_or_columns(toys: Any) -> None:
    async def scenario() -> None:
        stand = await _stand(toys)
        for data in (ROW, {name: [cell] for name, cell in ROW.items()}, [ROW], [[*ROW.values()]]):
            answered = await stand.call("POST", "/invocations", {"inputs": data})
            assert answered.json == {"predictions": [-1.25]}
        kept = [batch.cells() for batch in stand.spool.batches]
        assert kept == [{name: [cell] for name, cell in ROW.items()}] * 4

    toys.run(scenario())


def test_tensors_of_other_shapes_are_refused(toys: Any) -> None:
    async def scenario() -> None:
        stand = await _stand(toys)
        age = {"name": "age", "datatype": "FP64", "shape": [1], "data": [4.0]}
        image = {"name": "image", "datatype": "FP32", "shape": [1, 3], "data": ROW["image"]}
        for wrong, status in (
            ({}, 200), ({"shape": [3]}, 400), ({"shape": [3, 1]}, 400), ({"shape": [1, 2]}, 400),
            ({"shape": [1, 1, 3]}, 400), ({"data": [0.5]}, 400), ({"datatype": "BYTES"}, 400),
            ({"data": [ROW["image"]]}, 200), ({"shape": [10**9, 3]}, 413),
        ):  # fmt: skip
            body = {"inputs": [{**image, **wrong}, age]}
            answered = await stand.call("POST", "/v2/models/toy/infer", body)
            assert answered.status == status, wrong
        told = await stand.call("GET", "/v2/models/toy")
        assert told.json["inputs"][0] == {"name": "image", "datatype": "FP64", "shape": [-1, 3]}

    toys.run(scenario())


@pytest.mark.parametrize("form", ["list", "large", "fixed", "float", "whole", "old"])
def test_parquet_lists_of_any_kind(toys: Any, form: str) -> None:
    values = [[1, 2, 3]] if form == "whole" else [ROW["image"]]
    kinds = {
        "list": pa.list_(pa.float64()), "large": pa.large_list(pa.float64()),
        "fixed": pa.list_(pa.float64(), 3), "float": pa.list_(pa.float32()),
        "whole": pa.list_(pa.int32()), "old": pa.list_(pa.float64()),
    }  # fmt: skip
    more = {"use_compliant_nested_type": False} if form == "old" else {}
    body = _parquet(pa.array(values, kinds[form]), **more)

    async def scenario() -> None:
        stand = await _stand(toys)
        answered = await stand.call("POST", "/invocations", body, PARQUET)
        assert answered.json == {"predictions": [10.0 if form == "whole" else -1.25]}

    toys.run(scenario())


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[0.0] * 2_000_000], pa.list_(pa.float64())),
        pa.array([[0.0], [0.0] * 5], pa.list_(pa.float64())),
        pa.array([[[0.0]]], pa.list_(pa.list_(pa.float64()))),
        pa.array([["a", "b", "c"]], pa.list_(pa.string())),
        pa.array([[np.nan, 0.0, 0.0]], pa.list_(pa.float64())),
        pa.array([[np.inf, 0.0, 0.0]], pa.list_(pa.float64())),
    ],
)
def test_parquet_lists_that_are_wrong(toys: Any, array: Any) -> None:
    async def scenario() -> None:
        stand = await _stand(toys)
        answered = await stand.call("POST", "/invocations", _parquet(array), PARQUET)
        assert answered.status == 400

    toys.run(scenario())


def test_the_document_shows_width_and_a_row_that_works(toys: Any) -> None:
    async def scenario() -> None:
        stand = await _stand(toys)
        stand.server.routes.live["toy"].champion.example = dict(ROW)
        said = (await stand.call("GET", "/openapi.json")).json
        image = said["components"]["schemas"]["toy.Row"]["properties"]["image"]
        assert (image["type"], image["minItems"], image["maxItems"]) == ("array", 3, 3)
        post = said["paths"]["/v2/models/toy/infer"]["post"]["requestBody"]
        body = post["content"]["application/json"]["examples"]["one row"]["value"]
        assert "text/csv" not in said["paths"]["/invocations"]["post"]["requestBody"]["content"]
        assert body["inputs"][0]["shape"] == [1, 3]
        answered = await stand.call("POST", "/v2/models/toy/infer", body)
        assert answered.status == 200

    toys.run(scenario())
