"""NannyML: univariate drift with its defaults, fitted to the reference beforehand."""

import sys

import nannyml
import pandas as pd
from timing import told

from data import CATEGORICAL, NUMERIC


def read(folder: str) -> pd.DataFrame:
    return pd.read_parquet(folder, columns=[*NUMERIC, *CATEGORICAL])


def prepare() -> object:
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[*NUMERIC, *CATEGORICAL], treat_as_categorical=CATEGORICAL, chunk_number=10
    )
    return calculator.fit(read(sys.argv[1]))


def work(calculator: object) -> int:
    return len(calculator.calculate(read(sys.argv[2])).to_df())


told(prepare, work)
