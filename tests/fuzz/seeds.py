"""Writes the first seeds: one good input of each form. ``python tests/fuzz/seeds.py``."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path

from holdfast.recording import segments
from holdfast.records.prediction import PredictionBatch
from holdfast.serving.rpc.protocol import message

HERE = Path(__file__).parent / "seeds"
ROW = {"a": 1.5, "b": 2, "n": None, "w": 7, "f": True, "s": "Oslo", "t": "2024-05-01T10:00:00Z"}
TYPES = {"a": "FP64", "b": "FP32", "n": "INT64", "w": "UINT8", "f": "BOOL", "s": "BYTES"}
CONTENTS = {
    "FP64": "fp64_contents", "FP32": "fp32_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents",
}  # fmt: skip
PACKED = {"FP64": "<d", "FP32": "<f", "INT64": "<q", "UINT8": "<B", "BOOL": "?"}


VECTOR = {"name": "v", "shape": [1, 2], "datatype": "FP32"}


def _tensors() -> list[dict[str, object]]:
    kinds = {**TYPES, "t": "BYTES"}
    return [
        {"name": name, "shape": [1], "datatype": kinds[name], "data": [value]}
        for name, value in ROW.items()
    ]


def _binary(*, vector: bool = False) -> bytes:
    text = b"2024-05-01"
    raw = {
        "a": struct.pack("<d", 1.5), "b": struct.pack("<f", 2), "n": struct.pack("<q", 3),
        "w": b"\x07", "f": b"\x01", "s": struct.pack("<I", 4) + b"Oslo",
        "t": struct.pack("<I", len(text)) + text,
    }  # fmt: skip
    heads: list[dict[str, object]] = [
        {"name": name, "shape": [1, 1], "datatype": {**TYPES, "t": "BYTES"}[name],
         "parameters": {"binary_data_size": len(part)}}
        for name, part in raw.items()
    ]  # fmt: skip
    if vector:
        raw["v"] = struct.pack("<2f", 1.5, -2)
        heads.append({**VECTOR, "parameters": {"binary_data_size": 8}})
    return json.dumps({"inputs": heads}).encode() + b"\n" + b"".join(raw.values())


def _message(*, raw: bool, vector: bool = False) -> bytes:
    request = message("ModelInferRequest")(model_name="m", id="1")
    for name, value in ROW.items():
        kind = {**TYPES, "t": "BYTES"}[name]
        if value is None:
            kind, value = "FP64", float("nan")
        tensor = request.inputs.add(name=name, datatype=kind, shape=[1])
        cell = str(value).encode() if kind == "BYTES" else value
        if not raw:
            getattr(tensor.contents, CONTENTS[kind]).append(cell)
        elif kind == "BYTES":
            request.raw_input_contents.append(struct.pack("<I", len(cell)) + cell)
        else:
            request.raw_input_contents.append(struct.pack(PACKED[kind], cell))
    if vector and raw:
        request.inputs.add(**VECTOR)
        request.raw_input_contents.append(struct.pack("<2f", 1.5, -2))
    elif vector:
        request.inputs.add(**VECTOR).contents.fp32_contents.extend([1.5, -2])
    return bytes(request.SerializeToString())


def _segment() -> bytes:
    batch = PredictionBatch(
        request="p", model="m", version=1, epoch=1, at=0.0, role="live", names=("a",),
        columns=[[1.0, None]], ids=["x", "y"], predictions=[True, False], scores=[0.9, 0.1],
        seconds=0.0,
    )  # fmt: skip
    identity = b"12345678"
    record = segments.frame(segments.encode(batch), identity)
    return segments.header(identity) + record + record[:5] + record


def main() -> None:
    """Writes one file for each."""
    split = {"columns": list(ROW), "data": [list(ROW.values())], "index": [0]}
    forms = {
        "mlflow_json/split": {"dataframe_split": split},
        "mlflow_json/records": {"dataframe_records": [{**ROW, "key": "k"}]},
        "mlflow_json/columns": {"inputs": {name: [value] for name, value in ROW.items()}},
        "v1_json/instances": {"instances": [ROW, ROW]},
        "v1_json/lists": {"instances": [list(ROW.values())]},
        "vertex/instances": {"instances": [ROW], "parameters": {}},
        "azure/split": {"input_data": split},
        "azure/data": {"data": [ROW]},
        "v2_json/tensors": {"id": "1", "inputs": _tensors(), "outputs": [{"name": "prediction"}]},
    }
    row = {**ROW, "v": [1.5, -2]}
    given = {**VECTOR, "data": row["v"]}
    forms["mlflow_json/vector"] = {"dataframe_records": [row, {**row, "v": None}]}
    forms["mlflow_json/vector_row"] = {"inputs": row}
    forms["v2_json/vector"] = {"inputs": [*_tensors(), given]}
    plain = {name: json.dumps(form).encode() for name, form in forms.items()}
    plain["v2_binary/tensors"] = _binary()
    plain["grpc/contents"] = _message(raw=False)
    plain["grpc/raw"] = _message(raw=True)
    plain["v2_binary/vector"] = _binary(vector=True)
    plain["grpc/vector"] = _message(raw=False, vector=True)
    plain["grpc/vector_raw"] = _message(raw=True, vector=True)
    plain["json_lines/rows"] = b"\n".join(
        json.dumps(row).encode() for row in (ROW, list(ROW.values()))
    )
    line = ",".join(str(value) for value in ROW.values()).replace("None", "")
    plain["csv/row"] = (",".join(ROW) + "\n" + line + "\n").encode()
    plain["packed/gzip"] = gzip.compress(b"{}" * 20, mtime=0)
    plain["packed/zlib"] = zlib.compress(b"{}" * 20)
    plain["packed/bomb"] = gzip.compress(bytes(2**20), mtime=0)
    plain["segment/torn"] = _segment()
    line = b"POST /invocations HTTP/1.1\r\n"
    plain["http/two"] = (line + b"Content-Length: 2\r\n\r\n{}") * 2
    plain["http/chunks"] = line + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    plain["http/upgrade"] = (
        line + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}"
    )
    plain["http/expect"] = line + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
    for name, data in plain.items():
        file = HERE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


if __name__ == "__main__":
    main()
