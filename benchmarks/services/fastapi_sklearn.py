"""The usual way: FastAPI, a pydantic body, and the model's own predict_proba in the handler."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

FEATURES = [f"x{number:02d}" for number in range(20)]
Row = create_model("Row", **dict.fromkeys(FEATURES, (float, ...)))
model = pickle.loads(Path(os.environ["BENCH_ESTIMATOR"]).read_bytes())
app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
async def predict(row: Row) -> dict[str, float]:  # type: ignore[valid-type]
    frame = pd.DataFrame([row.model_dump()], columns=FEATURES)
    return {"probability": float(model.predict_proba(frame)[0, 1])}
