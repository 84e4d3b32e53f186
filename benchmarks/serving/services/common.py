"""What the services share: the model, found through the environment."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["BENCH_FOLDER"])
ROW: dict[str, Any] = json.loads((FOLDER / "row.json").read_text())


def estimator() -> Any:
    """The fitted scikit-learn estimator."""
    return pickle.loads((FOLDER / "estimator.pkl").read_bytes())


def score(model: Any, rows: list[dict[str, Any]]) -> list[float]:
    """Probabilities, through a frame, as scikit-learn's pipelines want it."""
    import pandas as pd

    return [float(one) for one in model.predict_proba(pd.DataFrame(rows))[:, 1]]
