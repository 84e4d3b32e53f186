"""One process for the calls of a job: the same guarantees, without importing the project twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import polars as pl
import psutil
import pytest

from holdfast.errors import UserCodeError
from holdfast.training.kept import Kept
from holdfast.training.user_code import LocalUserCode

UserCodeOf = Callable[..., LocalUserCode]


def _train(code: LocalUserCode, target: str, rows: pl.DataFrame, folder: Path) -> None:
    rows.write_parquet(folder / "rows.parquet")
    code.train(target, folder / "rows.parquet", folder / "out")


def _pid(kept: Kept) -> int:
    assert kept._process is not None
    return kept._process.pid


def test_the_process_that_loaded_trains(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with Kept() as kept:
        loading = user_code(kept=kept)
        loading.load("loaders:as_pandas")
        first = _pid(kept)
        env = {**loading.env, "WHICH": "second"}
        training = dataclasses.replace(loading, log=tmp_path / "other.log", env=env)
        _train(training, "models:tell", rows, tmp_path)
        assert _pid(kept) == first
    assert not psutil.pid_exists(first)
    told = training.log.read_text()
    assert "COLUMNS" in told
    assert "from C" in told
    assert "COLUMNS" not in loading.log.read_text()


def test_a_process_that_only_found_the_callable_trains(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with Kept() as kept:
        assert not kept.waits
        code = user_code(kept=kept)
        code.find("models:tell")
        assert kept.waits
        first = _pid(kept)
        _train(code, "models:tell", rows, tmp_path)
        assert _pid(kept) == first


def test_after_a_failure_comes_a_new_process(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with Kept() as kept:
        code = user_code(kept=kept)
        code.load("loaders:as_pandas")
        first = _pid(kept)
        with pytest.raises(UserCodeError, match="no such luck") as caught:
            _train(code, "faults:raises", rows, tmp_path)
        assert "deeper" in caught.value.traceback
        assert not psutil.pid_exists(first)
        code.load("loaders:as_pandas")
        assert _pid(kept) != first


def test_a_process_that_died_meanwhile_is_replaced(user_code: UserCodeOf) -> None:
    with Kept() as kept:
        code = user_code(kept=kept)
        code.load("loaders:as_pandas")
        first = _pid(kept)
        psutil.Process(first).kill()
        psutil.Process(first).wait(20)
        assert code.load("loaders:as_pandas").height == 2
        assert _pid(kept) != first


def test_limits_hold_for_the_second_call_too(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with Kept() as kept:
        code = user_code(kept=kept, memory_bytes=2**29)
        code.load("loaders:as_pandas")
        with pytest.raises(UserCodeError) as caught:
            _train(code, "faults:hoards", rows, tmp_path)
        assert caught.value.code == "user.memory"
