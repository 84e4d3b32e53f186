"""A look at 500 models of 50 columns from stored summaries: what it costs does not know traffic."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import report
from options import Options

from holdfast.monitoring.count import count
from holdfast.monitoring.drift import drift
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.joint import tables_of
from holdfast.monitoring.joint_drift import joint_drift
from holdfast.monitoring.merge import blocks_of, compact
from holdfast.records import Reference

MODELS = 500
NUMERIC, CATEGORICAL = 35, 15
DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def measure(options: Options) -> report.Table:
    models = 10 if options.quick else MODELS
    # Each model has a reference of its own, as each has a bundle of its own.
    made = _reference()
    references = [msgspec.structs.replace(made) for _ in range(models)]
    stored = {rows: _day(made, rows) for rows in (1_000, 100_000)}
    first = _looks(references, stored[1_000])
    found: dict[int, list[float | None]] = {rows: [] for rows in stored}
    for _ in range(options.rounds):
        for rows, frame in stored.items():
            found[rows].append(_looks(references, frame))
    return report.Table(
        title=f"a look at the last day of {models} models × {NUMERIC + CATEGORICAL} columns and"
        " their pairs, from stored summaries",
        unit="s",
        rows=[
            *(report.Row(f"{rows:,} rows a model", values) for rows, values in found.items()),
            report.Row("the first looks after a start, 1,000 rows", [first]),
        ],
    )


def _looks(references: list[Reference], rows: pl.DataFrame) -> float:
    """Seconds."""
    began = time.perf_counter()
    for reference in references:
        _look(reference, rows)
    return time.perf_counter() - began


def _look(reference: Reference, rows: pl.DataFrame) -> None:
    window = {"since": START, "until": START + DAY, "length": DAY}
    seen, tables = blocks_of(rows, [reference.bins, tables_of(reference.joint)], **window)
    joint_drift(reference, tables, drift(reference, seen))


def _rows(seed: int, rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    numbers = {f"x{i}": rng.normal(size=rows) for i in range(NUMERIC - 1)}
    names = np.array([f"value-{i}" for i in range(12)])
    texts = {f"c{i}": names[rng.integers(0, 12, rows)] for i in range(CATEGORICAL)}
    at = np.datetime64("2026-01-01", "us") + rng.integers(0, 86_400_000_000, rows).astype("m8[us]")
    return pl.DataFrame({"at": at, "prediction": rng.random(rows), **numbers, **texts})


def _reference() -> Reference:
    frame = _rows(0, 20_000)
    zeros = np.zeros(frame.height)
    features = [name for name in frame.columns if name not in ("at", "prediction")]
    return freeze(frame, zeros, zeros, task="binary", features=features)


def _day(reference: Reference, rows: int) -> pl.DataFrame:
    """Stored by the hour and rolled up to the day."""
    return compact(count(_rows(1, rows), reference, model="m", version=1), every=DAY)
