"""No framework, no validation, no record: the compiled model of the bundle in an ASGI function."""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BENCH_ONNX"], options)
joined = json.loads(session.get_modelmeta().custom_metadata_map.get("holdfast.joined", "{}"))
inputs = [(entry.name, entry.type, joined.get(entry.name)) for entry in session.get_inputs()]
output = [session.get_outputs()[-1].name]
TYPES = {
    "tensor(string)": object, "tensor(int64)": np.int64, "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}  # fmt: skip


class Split(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]


class Body(msgspec.Struct):
    dataframe_split: Split


decode = msgspec.json.Decoder(Body).decode
encode = msgspec.json.Encoder().encode


def score(split: Split) -> list[float]:
    place = {name: index for index, name in enumerate(split.columns)}
    rows = split.data
    feeds = {}
    for name, kind, names in inputs:
        if names == split.columns:
            feeds[name] = np.array(rows, dtype=TYPES[kind])
        else:
            wanted = [place[one] for one in names or [name]]
            feeds[name] = np.array([[row[i] for i in wanted] for row in rows], dtype=TYPES[kind])
    return session.run(output, feeds)[0][:, 1].tolist()


async def app(_scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = encode({"probability": score(decode(body).dataframe_split)}) if body else b"{}"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
