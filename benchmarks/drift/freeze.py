"""Freezes the reference rows, as training does: ``freeze.py ROWS FILE``."""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from data import CATEGORICAL, NUMERIC
from holdfast.monitoring.freeze import freeze

frame = pl.read_parquet(f"{sys.argv[1]}/*.parquet", columns=[*NUMERIC, *CATEGORICAL])
zeros = np.zeros(frame.height)
# The first column stands for the prediction: 20 columns in all, as for the others.
held = frame.rename({"x0": "prediction"})
features = [name for name in held.columns if name != "prediction"]
made = freeze(held, zeros, zeros, task="regression", features=features)
Path(sys.argv[2]).write_bytes(made.to_json())
