"""The three models that are served: trees, linear, and a pipeline over mixed types."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

from fixture import Project, example

SOURCE = Path(__file__).parent / "flights.py"
TITLES = {
    "trees": "gradient boosting, 100 trees, 20 numbers",
    "linear": "scaler and logistic regression, 20 numbers",
    "mixed": "one-hot encoder, imputer, scaler and gradient boosting, 4 texts and 6 numbers",
}
FLIGHT: dict[str, Any] = {
    "carrier": "C03", "origin": "O1", "dest": "D042", "tail": "T07", "distance": 1089.0,
    "hour": 17.0, "month": 6.0, "temp": 71.5, "wind": 9.25, "delay_before": 12.0,
}  # fmt: skip


class Model(NamedTuple):
    """A trained model, in every form that a server takes.

    Args:
        kind: key of ``TITLES``.
        folder: of the project; has ``estimator.pkl``, ``request.json`` and ``bundle``.
        row: one row of input.
        truth: the probability that every server must answer for it.
        compiled: what registration found when it compiled the model.
    """

    kind: str
    folder: Path
    bundle: Path
    row: dict[str, Any]
    truth: float
    project: Project
    compiled: str


def make(kind: str, folder: Path) -> Model:
    """Trains one with the product itself, and writes what the other servers need."""
    import pandas as pd

    project = Project(folder, f"train_{kind}")
    row = FLIGHT if kind == "mixed" else example()
    if kind == "mixed":
        (folder / "model.py").write_text(SOURCE.read_text())
        spec = folder / "holdfast.toml"
        features = f"features = {json.dumps(list(row))}\n"
        spec.write_text(re.sub(r"features = \[.*?\]\n", features, spec.read_text(), flags=re.S))
    project.train()
    project.release(1)
    estimator = project.estimator()
    (folder / "estimator.pkl").write_bytes(pickle.dumps(estimator))
    (folder / "row.json").write_text(json.dumps(row))
    truth = float(estimator.predict_proba(pd.DataFrame([row]))[0, 1])
    bundle = project.bundle
    compiled: str = json.loads((bundle / "bundle.json").read_text())["note"]
    return Model(kind, folder, bundle, row, truth, project, compiled)
