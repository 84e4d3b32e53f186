"""Flights as they might have been: texts, numbers and gaps in, a probability of delay out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROWS = 6_000
TEXTS = {"carrier": ("C", 16), "origin": ("O", 3), "dest": ("D", 90), "tail": ("T", 40)}
NUMBERS = ["distance", "hour", "month", "temp", "wind", "delay_before"]


def load() -> pd.DataFrame:
    """Rows of a month long ago, the same at each call."""
    random = np.random.default_rng(11)
    codes = {name: random.integers(0, count, ROWS) for name, (_, count) in TEXTS.items()}
    width = {name: len(str(count - 1)) + (name != "origin") for name, (_, count) in TEXTS.items()}
    rows = pd.DataFrame(
        {
            name: [f"{letter}{code:0{width[name]}d}" for code in codes[name]]
            for name, (letter, _) in TEXTS.items()
        }
    )
    values = random.normal(size=(ROWS, len(NUMBERS)))
    scale = np.array([700.0, 6.0, 3.0, 15.0, 4.0, 20.0])
    middle = np.array([1000.0, 12.0, 6.0, 60.0, 10.0, 5.0])
    rows[NUMBERS] = np.round(values * scale + middle, 2)
    for name in ("temp", "wind"):
        rows.loc[random.random(ROWS) < 0.05, name] = np.nan
    logit = values[:, 1] + values[:, 5] + 0.1 * (codes["carrier"] - 8) + 0.3 * codes["origin"]
    rows["id"] = [f"r{number}" for number in range(ROWS)]
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    rows["at"] = [begin + timedelta(minutes=7 * number) for number in range(ROWS)]
    rows["label"] = (random.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(int)
    return rows


def train_mixed(frame: pd.DataFrame) -> Pipeline:
    """What people write for such a table."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([("texts", encoder, list(TEXTS)), ("numbers", numbers, NUMBERS)])
    trees = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0)
    return make_pipeline(columns, trees).fit(frame[[*TEXTS, *NUMBERS]], frame["label"])
