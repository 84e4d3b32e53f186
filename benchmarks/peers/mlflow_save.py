"""Saves an estimator as MLflow does: ``mlflow_save.py ESTIMATOR FOLDER``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature

estimator = pickle.loads(Path(sys.argv[1]).read_bytes())
rows = pd.DataFrame([[0.0] * 20], columns=[f"x{number:02d}" for number in range(20)])
mlflow.sklearn.save_model(
    estimator,
    sys.argv[2],
    signature=infer_signature(rows, estimator.predict_proba(rows)),
    pip_requirements=["scikit-learn"],
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
)
