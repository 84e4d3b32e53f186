"""The floor: no framework, no validation, no record; the model compiled to ONNX."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BENCH_ONNX"], options)
decode = msgspec.json.Decoder(dict[str, float]).decode
encode = msgspec.json.Encoder().encode


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/health":
        body = b"{}"
    else:
        row = decode((await receive())["body"])
        values = np.array([list(row.values())], dtype=np.float32)
        found = session.run(["probabilities"], {"rows": values})[0]
        body = encode({"probability": float(found[0, 1])})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
