"""Ray gives the recorder's summaries, bit by bit, from a history in partitions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from holdfast.errors import UsageError
from holdfast.integrations.ray.tasks import each
from holdfast.monitoring.count import count
from holdfast.monitoring.freeze import freeze

SCRIPT = Path(__file__).with_name("two_nodes.py")


def _history(seed: int, rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    at = np.datetime64("2026-03-01", "us") + rng.integers(0, 172_800_000_000, rows).astype("m8[us]")
    return pl.DataFrame(
        {
            "at": at,
            "x": np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(size=rows)),
            "y": rng.normal(size=rows),
            "image": (rng.normal(size=(rows, 2)) @ rng.normal(size=(2, 6))).tolist(),
            "origin": rng.choice(["EWR", "JFK", "LGA"], rows),
            "prediction": rng.random(rows),
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


@pytest.mark.heavy
def test_a_cluster_of_two_nodes_gives_the_same_bits(tmp_path: Path) -> None:
    python = os.environ.get("HOLDFAST_TEST_RAY_PYTHON")
    if not python:
        pytest.skip("HOLDFAST_TEST_RAY_PYTHON names no interpreter with Ray (scripts/heavy.sh)")
    held, frame = _history(0, 4000), _history(1, 30_000)
    zeros = np.zeros(held.height)
    reference = freeze(
        held, zeros, zeros, task="binary", features=["x", "y", "image", "origin"], slices=["origin"]
    )
    (tmp_path / "reference.json").write_bytes(reference.to_json())
    for part in range(5):
        frame[part::5].write_parquet(tmp_path / f"part-{part}.parquet")
    done = subprocess.run(
        [python, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False,
        timeout=280, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    expected = count(frame, reference, model="late", version=2, slices=["origin"])
    assert pl.read_parquet(tmp_path / "found.parquet").equals(expected)
    assert (tmp_path / "nodes.txt").read_text() == "2"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="Ray is not installed") as caught:
        each(str, [1, 2])
    assert "holdfast[ray]" in caught.value.fix
