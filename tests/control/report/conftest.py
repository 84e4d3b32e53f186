"""A trained installation with ten days of traffic, labels and looks behind it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from holdfast.loop.looking import look_at, look_json
from holdfast.loop.outcomes import add_labels
from holdfast.monitoring.count import count
from holdfast.recording.frames import SCHEMA

DAYS = 10
ROWS = 240


@pytest.fixture
def busy_home(live: Any) -> Any:
    """Version 1 was live for ten days; heat rose on the sixth; the labels of the last are late."""
    live.edit("[gate]", '[monitor]\nslices = ["kind"]\n\n[gate]')
    container = live.container
    spec, version = container.spec("tiny"), container.version("tiny", 1)
    route = container.ask(container.store.routes.current, "tiny")
    begin = midnight(route.created_at)
    frame = _frame(begin)
    container.log.write({"tiny": frame}, "test-1")
    columns = {name: f"f_{name}" for name in ("size", "heat", "kind")} | {"prediction": "score"}
    counts = count(frame, container.reference(version), model="tiny", version=1, columns=columns)
    container.summaries.write("tiny", 1, counts, "test-1")
    live.clock.advance(begin + timedelta(days=DAYS, hours=1))
    early = frame.filter(pl.col("at") < begin + timedelta(days=DAYS - 1))
    truth = np.random.default_rng(3).random(early.height) < early["score"].to_numpy()
    add_labels(container, "tiny", [
        {"row": name, "bad": bool(value), "known": (at + timedelta(hours=6)).isoformat()}
        for name, at, value in zip(early["id"], early["at"], truth, strict=True)
    ])  # fmt: skip
    until = live.clock.now()
    seen = look_at(container, spec, version, route.created_at, until)
    kept = look_json(seen, version, route.created_at, container.reference(version), spec.monitor)
    with container.store.begin() as tx:
        container.store.looks.save(tx, "tiny", 1, route.created_at, until, kept)
        for finding in seen.findings:
            container.store.findings.add(tx, finding)
    return live


def midnight(time: datetime) -> datetime:
    """The next one: blocks of days begin there."""
    return time.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _frame(begin: Any) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    rows = DAYS * ROWS
    day = np.arange(rows) // ROWS
    heat = rng.normal(20, 5, rows) + np.where(day >= 5, 25, 0)
    score = 1 / (1 + np.exp(-1.5 * rng.normal(size=rows)))
    at = [begin + timedelta(days=i / ROWS) for i in range(rows)]
    frame = pl.DataFrame({
        "at": at, "id": [f"n{i}" for i in range(rows)], "score": score,
        "f_size": rng.normal(size=rows), "f_heat": heat,
        "f_kind": rng.choice(["east", "west"], size=rows),
    })  # fmt: skip
    rest = {
        "prediction_id": pl.col("id") + ":0", "request": pl.col("id"), "version": pl.lit(1),
        "epoch": pl.lit(1), "role": pl.lit("live"), "seconds": pl.lit(0.002),
        "error": pl.when(pl.int_range(rows) % 600 == 7).then(pl.lit("fault")).otherwise(pl.lit("")),
        "inputs": pl.lit(True), "prediction": pl.lit("true"), "scores": pl.lit(None),
    }  # fmt: skip
    return frame.with_columns(**rest).select(
        *(pl.col(name).cast(kind) for name, kind in SCHEMA.items()), "f_size", "f_heat", "f_kind"
    )
