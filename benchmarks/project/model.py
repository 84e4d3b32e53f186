"""The model that is measured: twenty numbers in, one probability out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

ROWS = 6_000
FEATURES = [f"x{number:02d}" for number in range(20)]


def load() -> pd.DataFrame:
    """Rows of a month long ago, the same at each call."""
    random = np.random.default_rng(7)
    values = random.normal(size=(ROWS, len(FEATURES)))
    logit = values[:, :8].sum(axis=1) + values[:, 8] * values[:, 9]
    rows = pd.DataFrame(values, columns=FEATURES)
    rows["id"] = [f"r{number}" for number in range(ROWS)]
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    rows["at"] = [begin + timedelta(minutes=7 * number) for number in range(ROWS)]
    rows["label"] = (random.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(int)
    return rows


def train_trees(frame: pd.DataFrame) -> HistGradientBoostingClassifier:
    """A hundred trees."""
    model = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0)
    return model.fit(frame[FEATURES], frame["label"])


def train_linear(frame: pd.DataFrame) -> Pipeline:
    """Scaler and logistic regression."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(
        frame[FEATURES], frame["label"]
    )


def train_forest(frame: pd.DataFrame) -> Pipeline:
    """A hundred deep trees behind a step that no converter knows: served as it is."""
    forest = RandomForestClassifier(n_estimators=100, random_state=0)
    return make_pipeline(FunctionTransformer(np.tanh), forest).fit(frame[FEATURES], frame["label"])


def train_tiny(frame: pd.DataFrame) -> LogisticRegression:
    """Next to nothing: what is left is the overhead."""
    return LogisticRegression().fit(frame[FEATURES].iloc[:200], frame["label"].iloc[:200])
