"""Made-up histories: a world of two numbers and a kind that may turn round on some day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def make(days: int, a_day: int, *, turn: int | None = None, seed: int = 0) -> pl.DataFrame:
    """Rows whose label depends on ``x`` in another way from day ``turn`` on; ``p`` is what a model
    that knows the old way answers.
    """
    rng = np.random.default_rng(seed)
    n = days * a_day
    day = np.repeat(np.arange(days), a_day)
    seconds = np.sort(rng.uniform(0, 86_399, (days, a_day)), axis=1).ravel()
    x, z, kind = rng.normal(size=n), rng.normal(size=n), rng.choice(["a", "b", "c"], n)
    sign = np.where(day < (days if turn is None else turn), 1.0, -1.0)
    rest = 0.5 * z + (kind == "a") - 0.3
    truth = 1 / (1 + np.exp(-(1.5 * sign * x + rest)))
    return pl.DataFrame(
        {
            "t": [BEGIN + timedelta(days=int(d), seconds=float(s)) for d, s in zip(day, seconds, strict=True)],  # noqa: E501
            "x": x, "z": z, "kind": kind, "y": (rng.random(n) < truth).astype(np.int64),
            "p": 1 / (1 + np.exp(-(1.5 * x + rest))),
        }
    )  # fmt: skip


@pytest.fixture(scope="session")
def world() -> Callable[..., pl.DataFrame]:
    return make


PROJECT = """
[model]
name = "turning"
task = "binary"
positive = 1
train = "turning:train"

[data]
source = "history.csv"
time = "t"
label = "y"
label_delay = "1d"
features = ["x", "z", "kind"]

[gate]
metric = "roc_auc"
margin = 0.05

[release]
strategy = "direct"

[monitor]
minimum = 100

[retrain]
persistence = 5
window = "6d"
"""

CODE = """
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def train(frame):
    columns = ColumnTransformer(
        [("kind", OneHotEncoder(handle_unknown="ignore"), ["kind"])], remainder="passthrough"
    )
    model = Pipeline([("columns", columns), ("model", LogisticRegression())])
    return model.fit(frame[["x", "z", "kind"]], frame["y"])
"""


@pytest.fixture
def turning(tmp_path: Path) -> Path:
    """A project whose world turns round on the twenty-fourth of forty-four days."""
    folder = tmp_path / "turning"
    folder.mkdir()
    (folder / "holdfast.toml").write_text(PROJECT)
    (folder / "turning.py").write_text(CODE)
    make(44, 200, turn=24, seed=3).drop("p").write_csv(folder / "history.csv")
    return folder
