"""The rows that all products measure: 14 numeric and 6 categorical columns, from Parquet.

Normal, skewed, with spikes, whole numbers, with nulls; 4 to 60 categories.
``python data.py FOLDER ROWS SEED`` writes files of a million rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

NUMERIC = [f"x{i}" for i in range(14)]
CATEGORICAL = [f"c{i}" for i in range(6)]
SIZES = (4, 8, 15, 25, 40, 60)
FILE = 1_000_000
MONTH = 30 * 86_400_000_000


def write(folder: Path, rows: int, seed: int) -> None:
    """Time-ordered over thirty days, so that an hour has neighbours."""
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, rows, FILE)):
        size = min(FILE, rows - start)
        frame = _rows(np.random.default_rng([seed, number]), size)
        at = np.datetime64("2026-01-01", "us") + (
            (start + np.arange(size)) * (MONTH / rows)
        ).astype("timedelta64[us]")
        frame.with_columns(at=pl.Series(at)).write_parquet(folder / f"part-{number:04}.parquet")


def _rows(rng: np.random.Generator, n: int) -> pl.DataFrame:
    x = rng.normal(size=(14, n))
    x[3:6] = np.exp(x[3:6])
    x[6:8] = np.where(rng.random((2, n)) < 0.6, 0.0, np.abs(x[6:8]).round(2))
    x[8:10] = np.rint(10 * x[8:10])
    columns = {name: pl.Series(x[i]) for i, name in enumerate(NUMERIC)}
    for name in NUMERIC[10:12]:
        columns[name] = columns[name].set(pl.Series(rng.random(n) < 0.05), None)
    for name, size in zip(CATEGORICAL, SIZES, strict=True):
        weight = 1 / np.arange(1, size + 1)
        picked = rng.choice(size, n, p=weight / weight.sum())
        names = np.array([f"{name}-value-{i}" for i in range(size)])
        columns[name] = pl.Series(names[picked])
    return pl.DataFrame(columns)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
