"""The four steps; the same in every product."""

from __future__ import annotations

import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression

FOLDER = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))


def load() -> tuple[list[list[float]], list[int]]:
    return [[float(number), number % 7.0] for number in range(60)], [n % 2 for n in range(60)]


def train(rows: tuple[list[list[float]], list[int]]) -> Any:
    return LogisticRegression().fit(*rows)


def evaluate(model: Any, rows: tuple[list[list[float]], list[int]]) -> float:
    return float(model.score(*rows))


def register(model: Any, score: float) -> str:
    (FOLDER / "model.pkl").write_bytes(pickle.dumps(model))
    (FOLDER / "model.json").write_text(json.dumps({"score": score}))
    return str(FOLDER)
