"""scipy: Kolmogorov–Smirnov for numbers, χ² for categories, on all rows in memory."""

import sys

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency, ks_2samp
from timing import told

from data import CATEGORICAL, NUMERIC


def read(folder: str) -> pl.DataFrame:
    return pl.read_parquet(f"{folder}/*.parquet", columns=[*NUMERIC, *CATEGORICAL])


def work(reference: pl.DataFrame) -> int:
    current = read(sys.argv[2])
    found = [
        ks_2samp(*(f[name].drop_nulls().to_numpy() for f in (reference, current))).pvalue
        for name in NUMERIC
    ]
    for name in CATEGORICAL:
        both = (
            reference[name]
            .value_counts()
            .join(current[name].value_counts(), on=name, how="full", coalesce=True)
        )
        table = np.array([both["count"].fill_null(0), both["count_right"].fill_null(0)])
        found.append(chi2_contingency(table).pvalue)
    return sum(p < 0.05 for p in found)


told(lambda: read(sys.argv[1]), work)
