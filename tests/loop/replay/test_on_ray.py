"""Courses on a Ray cluster of two nodes, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from holdfast.errors import UsageError
from holdfast.loop.replay.on_ray import run_on_ray

SCRIPT = Path(__file__).with_name("ray_cluster.py")


def test_without_ray_the_extra_is_named() -> None:
    with pytest.raises(UsageError, match="not installed") as caught:
        run_on_ray([], "auto", lambda shares: None)
    assert "holdfast[ray]" in caught.value.fix


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_two_nodes_share_the_courses(tmp_path: Path, world: Callable[..., pl.DataFrame]) -> None:
    """Four policies: each node goes through some, and all come to what one machine comes to."""
    world(40, 100, turn=25).write_parquet(tmp_path / "history.parquet")
    for place in range(4):
        text = f"[monitor]\ntolerance = 0.0{place + 1}\n"
        (tmp_path / f"p{place}.toml").write_text(text)
    done = subprocess.run(
        [os.environ["HOLDFAST_TEST_RAY_PYTHON"], str(SCRIPT), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = json.loads((tmp_path / "said.json").read_text())
    assert len(set(said["nodes"].values())) == 2
    assert len(said["nodes"]) == 4
    assert said["here"] == said["there"]
