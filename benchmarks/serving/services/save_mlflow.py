"""Saves an estimator as MLflow does, with its signature: ``save_mlflow.py FOLDER``."""

from __future__ import annotations

import sys

import mlflow.sklearn
import pandas as pd
from common import ROW, estimator
from mlflow.models import infer_signature

model = estimator()
rows = pd.DataFrame([ROW])
mlflow.sklearn.save_model(
    model,
    sys.argv[1],
    signature=infer_signature(rows, model.predict_proba(rows)),
    pip_requirements=["scikit-learn"],
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
)
