"""Evidently: its preset of drift over all columns, with its defaults."""

import sys

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from timing import told

from data import CATEGORICAL, NUMERIC


def read(folder: str) -> Dataset:
    frame = pd.read_parquet(folder, columns=[*NUMERIC, *CATEGORICAL])
    columns = DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
    return Dataset.from_pandas(frame, data_definition=columns)


def work(reference: Dataset) -> int:
    found = Report([DataDriftPreset()]).run(read(sys.argv[2]), reference)
    return len(found.dict()["metrics"])


told(lambda: read(sys.argv[1]), work)
