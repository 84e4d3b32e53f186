"""The MLflow flavor: ``mlflow.pyfunc.load_model("models:/name@champion")`` gives this model.

MLflow finds it by ``loader_module: holdfast.bundle.pyfunc`` in the MLmodel file. Environment:
``HOLDFAST_KEY_FILE`` or ``HOLDFAST_HOME`` (default ``.holdfast``) says where the key is that allows
a pickle;
``HOLDFAST_ALLOW_PICKLE=1`` allows it without. A compiled bundle needs neither.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from holdfast.bundle.columns import from_pandas
from holdfast.bundle.key import find_key
from holdfast.bundle.predictor import Predictor, open_bundle

if TYPE_CHECKING:
    import pandas as pd


class PyfuncModel:
    """What ``mlflow.pyfunc`` wraps: a pandas frame in, a pandas frame of outputs out."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """One row of outputs a row: ``prediction``, and ``probability`` of a classifier.

        Raises:
            DataError: when a column is missing or of another type.
            BundleError: when the model fails on the rows.
        """
        import pandas as pd

        columns = from_pandas(frame, self.predictor.manifest.signature)
        outputs = self.predictor.predict(columns, len(frame))
        result = {"prediction": outputs.prediction}
        if outputs.probability is not None:
            many = outputs.probability.ndim == 2
            result["probability"] = (
                pd.Series(outputs.probability.tolist(), dtype=object).to_numpy()
                if many
                else outputs.probability
            )
        return pd.DataFrame(result, index=frame.index)


def _load_pyfunc(path: str) -> PyfuncModel:
    """Called by MLflow with the folder of the bundle."""
    allowed = os.environ.get("HOLDFAST_ALLOW_PICKLE") == "1"
    return PyfuncModel(open_bundle(path, key=find_key(), allow_pickle=allowed))
