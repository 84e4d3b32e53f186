"""The model that a replay of a table without a project trains: gradient boosting on its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

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
    """Texts become numbers first; what was never seen in training becomes a number of its own.
    Vectors become a column for each of their numbers.
    """
    *features, label = frame.columns
    widths = {name: _width(frame[name]) for name in features}
    texts = [
        name for name in features
        if not pd.api.types.is_numeric_dtype(frame[name]) and not widths[name]
    ]  # fmt: skip
    numbers = [name for name in features if name not in texts and not widths[name]]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    unpacked = [
        (f"vector {name}", FunctionTransformer(_unpack, kw_args={"width": width}), name)
        for name, width in widths.items()
        if width
    ]
    columns = ColumnTransformer(
        [("texts", encoder, texts), ("numbers", "passthrough", numbers), *unpacked]
    )
    model = Pipeline([("columns", columns), ("boosting", boosting)])
    return model.fit(frame[features], frame[label])


def _width(column: pd.Series) -> int:
    """Numbers in each vector of a column; 0 when it holds something else."""
    first = column.dropna().head(1).tolist()
    return len(first[0]) if first and isinstance(first[0], np.ndarray) else 0


def _unpack(column: pd.Series, width: int) -> np.ndarray:
    missing = np.full(width, np.nan)
    return np.stack([missing if vector is None else vector for vector in column])
