"""``holdfast replay``: its options, its table, its files, and its errors."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from holdfast.loop.replay.results import Result

COLUMNS = ("--time", "t", "--label", "y", "--prediction", "p", "--label-delay", "1d")


def _run(folder: Path, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", "replay", *words], cwd=folder, env=env,
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a model that has been wrong since the twenty-fifth of forty days."""
    made, rng = tmp_path_factory.mktemp("logs"), np.random.default_rng(0)
    n, begin = 4000, datetime(2025, 1, 1, tzinfo=UTC)
    p = rng.uniform(size=n)
    truth = np.where(np.arange(n) < 2500, p, 1 - p)
    rows = pl.DataFrame(
        {
            "t": [begin + timedelta(days=40 * place / n) for place in range(n)],
            "p": p, "y": rng.random(n) < truth, "channel": rng.choice(["web", "app"], n),
        }
    )  # fmt: skip
    rows.write_csv(made / "log.csv")
    return made


def test_a_table_in_plain_words_and_files_beside_it(folder: Path) -> None:
    done = _run(folder, "log.csv", *COLUMNS, "--every", "1d")
    assert "the model as it was" in done.stdout
    assert "page (right): The measured loss" in done.stdout
    assert "nothing was trained" in done.stdout
    assert "█" not in done.stderr + done.stdout, "no progress bar where there is no terminal"
    (out,) = (folder / ".holdfast" / "replays").iterdir()
    text = (out / "report.html").read_text()
    assert "Replay of history" in text
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in text.replace("http://www.w3.org/2000/svg", ""), outside
    series = pl.read_parquet(out / "series.parquet")
    assert series.columns == [
        "course", "start", "rows", "labelled", "loss", "low", "high", "metric",
    ]  # fmt: skip
    again = _run(folder, "log.csv", *COLUMNS, "--every", "1d", "--json")
    assert Result.from_json(again.stdout) == Result.from_json((out / "result.json").read_bytes())
    assert len(list((folder / ".holdfast" / "replays").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "replay.no_history"),
        (("log.csv",), 2, "replay.columns"),
        (("log.csv", "--time", "t", "--label", "z"), 1, "no column 'z'"),
        (("log.csv", *COLUMNS, "--label-delay", "soon"), 2, "soon"),
        (("log.csv", *COLUMNS, "--every", "5m"), 2, "less than an hour"),
        (("log.csv", *COLUMNS, "--schedule", "often"), 2, "often"),
        (("log.csv", *COLUMNS, "--start", "2030-01-01"), 2, "replay.start"),
        (("none.csv", "--time", "t", "--label", "y"), 1, "data.no_files"),
    ],
)
def test_what_is_wrong_is_named(
    folder: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    done = _run(folder, *words, status=status)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
