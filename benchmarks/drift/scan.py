"""The bare scan: all 20 columns read from Parquet by Polars and added up, nothing else."""

import sys

import polars as pl
from timing import told

from data import CATEGORICAL, NUMERIC


def work(_: object) -> int:
    lazy = pl.scan_parquet(f"{sys.argv[2]}/*.parquet")
    sums = lazy.select(pl.col(NUMERIC).sum(), pl.col(CATEGORICAL).str.len_bytes().sum())
    return sums.collect(engine="streaming").width


told(lambda: None, work)
