"""FastAPI and a pydantic body, with the model compiled to ONNX."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import create_model

FEATURES = [f"x{number:02d}" for number in range(20)]
Row = create_model("Row", **dict.fromkeys(FEATURES, (float, ...)))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BENCH_ONNX"], options)
app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
async def predict(row: Row) -> dict[str, float]:  # type: ignore[valid-type]
    values = np.array([[getattr(row, name) for name in FEATURES]], dtype=np.float32)
    return {"probability": float(session.run(["probabilities"], {"rows": values})[0][0, 1])}
