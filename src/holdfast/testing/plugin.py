"""Pytest plugin: the fixture ``model`` for behavioural tests of a project.

The gate loads it by itself; to run the tests by hand::

    HOLDFAST_BUNDLE=path/of/bundle pytest -p holdfast.testing.plugin tests/behaviour
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from holdfast.bundle.columns import count, from_pandas, from_polars
from holdfast.bundle.key import find_key
from holdfast.bundle.predictor import Predictor, open_bundle

if TYPE_CHECKING:
    import polars as pl


class BehaviourModel:
    """The version under test, asked as a caller would ask it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, rows: list[dict[str, Any]] | pd.DataFrame | pl.DataFrame) -> pd.DataFrame:
        """Answers for rows of features.

        Returns:
            A frame with ``prediction``; for classes also ``probability`` (binary: of the positive
            class; multiclass: one column ``probability_<class>`` each).
        """
        signature = self._predictor.manifest.signature
        frame: Any = rows
        if hasattr(frame, "to_pandas"):  # Polars; to import it only to ask takes a while
            columns = from_polars(frame, signature)
        else:
            known = isinstance(frame, pd.DataFrame)
            columns = from_pandas(frame if known else pd.DataFrame(frame), signature)
        outputs = self._predictor.predict(columns, count(columns))
        result = pd.DataFrame({"prediction": outputs.prediction})
        if outputs.probability is not None and outputs.probability.ndim == 1:
            result["probability"] = outputs.probability
        elif outputs.probability is not None:
            for index, label in enumerate(signature.classes):
                result[f"probability_{label}"] = outputs.probability[:, index]
        return result


@pytest.fixture(scope="session")
def model() -> BehaviourModel:
    """The version in the bundle that ``HOLDFAST_BUNDLE`` names."""
    folder = os.environ.get("HOLDFAST_BUNDLE")
    if not folder:
        pytest.fail("HOLDFAST_BUNDLE names no bundle; 'holdfast gate' sets it", pytrace=False)
    return BehaviourModel(open_bundle(folder, key=find_key()))
