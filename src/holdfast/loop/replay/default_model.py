"""The model that a replay of a table without a project trains: gradient boosting on its columns."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

SETTINGS = {
    "learning_rate": 0.1, "max_iter": 80, "max_leaf_nodes": 15, "min_samples_leaf": 40,
    "early_stopping": False, "random_state": 0,
}  # fmt: skip


def classify(frame: pd.DataFrame) -> Pipeline:
    """Fit a classifier; the last column is the label."""
    return _fit(frame, HistGradientBoostingClassifier(**SETTINGS))


def regress(frame: pd.DataFrame) -> Pipeline:
    """Fit a regression; the last column is the label."""
    return _fit(frame, HistGradientBoostingRegressor(**SETTINGS))


def _fit(frame: pd.DataFrame, boosting: Any) -> Pipeline:
    """Texts become numbers first; what was never seen in training becomes a number of its own."""
    *features, label = frame.columns
    texts = [name for name in features if not pd.api.types.is_numeric_dtype(frame[name])]
    numbers = [name for name in features if name not in texts]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("texts", encoder, texts), ("numbers", "passthrough", numbers)])
    model = Pipeline([("columns", columns), ("boosting", boosting)])
    return model.fit(frame[features], frame[label])
