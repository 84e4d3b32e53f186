"""Holdfast: a frozen reference, then one pass over the rows and a look at what was counted.

``ours.py REFERENCE CURRENT [hours] [alone]``: by the hour, as the recorder counts, rather than as
one window; and without the pairs of columns.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import scipy.special  # noqa: F401 (a look imports it when first there are rows)
from timing import told

from holdfast.monitoring.drift import drift
from holdfast.monitoring.history import summarise
from holdfast.monitoring.joint import tables_of
from holdfast.monitoring.joint_drift import joint_drift
from holdfast.monitoring.merge import blocks_of
from holdfast.records import Reference

HOURS, ALONE = "hours" in sys.argv, "alone" in sys.argv


def prepare() -> Reference:
    made = Reference.from_json(Path(sys.argv[1]).read_bytes())
    return msgspec.structs.replace(made, joint=None) if ALONE else made


def work(reference: Reference) -> int:
    history = pl.scan_parquet(f"{sys.argv[2]}/*.parquet")
    rows = summarise(
        history, reference, model="m", version=1, columns={"prediction": "x0"},
        at_column="at" if HOURS else None,
    )  # fmt: skip
    day = timedelta(days=1)
    since = datetime(2026, 1, 1, tzinfo=UTC) if HOURS else datetime(1970, 1, 1, tzinfo=UTC)
    window = {"since": since, "until": since + (30 * day if HOURS else day), "length": day}
    seen, tables = blocks_of(rows, [reference.bins, tables_of(reference.joint)], **window)
    alone = drift(reference, seen)
    pairs = joint_drift(reference, tables, alone).pairs
    return int(sum(one.declared.any() for one in (*alone, *pairs)))


told(prepare, work)
