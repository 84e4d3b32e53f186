"""The whole operation on a history whose world turns round: with the loop, by schedule, without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from holdfast.loop.replay.course import OUTCOME, PROGRESS
from holdfast.loop.replay.ordering import (
    Order,
    Replay,
    first_version,
    gather,
    prepare,
    share_first,
)
from holdfast.loop.replay.processes import run_here
from holdfast.loop.replay.results import Outcome, Result

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

WORDS = ("--every", "1d", "--start", "2025-01-15", "--schedule", "0 3 5 * *", "--json")


def _command(project: Path, out: Path, *words: str) -> list[str]:
    return [
        sys.executable, "-m", "holdfast.cli", "replay", "--project", str(project),
        "--out", str(out), *WORDS, *words,
    ]  # fmt: skip


def _ran(project: Path, out: Path, *words: str) -> Result:
    done = subprocess.run(
        _command(project, out, *words), capture_output=True, text=True, check=False, timeout=1000
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return Result.from_json(done.stdout)


def _timeless(result: Result) -> object:
    """Without how long trainings took on this machine."""
    plain = result.to_dict()
    for course in plain["courses"]:
        for training in course["trainings"]:
            training["seconds"] = 0
    return plain


def _named(result: Result) -> dict[str, Outcome]:
    return {one.kind: one for one in result.courses}


def test_the_loop_notices_learns_and_does_better_and_goes_on_after_kill_9(
    turning: Path, tmp_path: Path
) -> None:
    """One course of things is killed again and again, the other is not: they come to the same."""
    result = _ran(turning, tmp_path / "whole")
    loop, plain, clock = (_named(result)[kind] for kind in ("loop", "without", "scheduled"))
    assert [page.truth for page in loop.pages if page.kind == "realised_loss"] == ["true"]
    assert any(one.outcome == "live" and one.trigger == "quality" for one in loop.trainings)
    assert all(one.rows > 500 and one.seconds > 0 for one in loop.trainings if one.version)
    assert plain.trainings == plain.pages == plain.changes == ()
    assert len(clock.trainings) == 1
    assert loop.loss is not None
    assert plain.loss is not None
    assert loop.loss < 0.8 * plain.loss
    assert loop.harmful_days < plain.harmful_days
    assert loop.harms[0].delay_hours is not None
    series = pl.read_parquet(tmp_path / "whole" / "series.parquet")
    assert series.group_by("course").agg(pl.col("rows").sum())["rows"].unique().to_list() == [
        loop.rows
    ]
    assert not (turning / ".holdfast" / "holdfast.db").exists(), "the user's own home is untouched"

    out = tmp_path / "killed"
    for kill in range(2):
        _kill_midway(turning, out, kill)
    assert _timeless(_ran(turning, out)) == _timeless(result)


def _kill_midway(project: Path, out: Path, kill: int) -> None:
    """Starts the replay, and kills every process of it with -9 when it has come some way."""
    process = subprocess.Popen(
        _command(project, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    before, end = _done(out), time.monotonic() + 600
    while _done(out) <= before and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert process.poll() is None or kill, "it ended before it could be killed"
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _done(out: Path) -> tuple[object, ...]:
    """How far the courses are."""
    files = sorted(out.glob(f"courses/*/{PROGRESS}"))
    found = [str(msgspec.json.decode(file.read_bytes())["until"]) for file in files]
    return (len(list(out.glob(f"courses/*/{OUTCOME}"))), *found)


def test_two_policies_side_by_side(turning: Path, tmp_path: Path) -> None:
    """One that may not retrain at all pages and does no better than doing nothing."""
    (turning / "idle.toml").write_text("[retrain]\non = []\n")
    (turning / "late.toml").write_text("[retrain]\npersistence = 9\n")
    policies = tuple(str(turning / f"{name}.toml") for name in ("idle", "late"))
    found = _prepared(turning, tmp_path / "out", policies)
    told: list[dict[str, float]] = []
    run_here(found.courses, lambda shares: told.append(dict(shares)), cores=2)
    result = gather(found)
    idle, late, *_ = result.courses
    assert (idle.name, late.name) == ("idle", "late")
    assert idle.pages
    assert idle.trainings == ()
    assert idle.loss == pytest.approx(_named(result)["without"].loss)
    assert late.trainings[0].at > late.pages[0].at
    assert set(told[-1].values()) == {1.0}


def _prepared(project: Path, out: Path, policies: tuple[str, ...]) -> Replay:
    order = Order(
        policies=policies, every=timedelta(days=1), start=datetime(2025, 1, 15, tzinfo=UTC)
    )
    found = prepare(order, project, project / ".holdfast", out, lambda text: None)
    share_first(found, first_version(found))
    return found
