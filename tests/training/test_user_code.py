from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import psutil
import pytest

from holdfast.errors import UserCodeError
from holdfast.training.protocol import Result, read_result
from holdfast.training.user_code import LocalUserCode

UserCodeOf = Callable[..., LocalUserCode]


def _train(code: LocalUserCode, target: str, rows: pl.DataFrame, folder: Path) -> Result:
    rows.write_parquet(folder / "rows.parquet")
    code.train(target, folder / "rows.parquet", folder / "out")
    return read_result(folder / "out")


def _labels(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    number = pl.int_range(pl.len()) % 3
    text = number.replace_strict([0, 1, 2], ["high", "low", "mid"])
    return rows.with_columns(
        label={
            "binary": pl.col("label"),
            "zero_one": pl.col("label").cast(pl.Int64),
            "multiclass": text,
            "classes": number.cast(pl.Int64),
            "regression": pl.col("amount") * 2,
        }[kind]
    )


ALL = ("amount", "minutes", "visits", "city", "vip")
NUMBERS = ("amount", "minutes", "visits", "vip")
WORKING = [
    ("models:sklearn_classes", ALL, "binary", "sklearn", (False, True)),
    ("models:sklearn_classes", ALL, "multiclass", "sklearn", ("high", "low", "mid")),
    ("models:sklearn_value", ALL, "regression", "sklearn", ()),
    pytest.param(
        "models:xgboost_booster", NUMBERS, "zero_one", "xgboost", (), marks=pytest.mark.heavy
    ),
    pytest.param(
        "models:xgboost_classes", NUMBERS, "classes", "xgboost", (0, 1, 2), marks=pytest.mark.heavy
    ),
    pytest.param(
        "models:xgboost_value", NUMBERS, "regression", "xgboost", (), marks=pytest.mark.heavy
    ),
    pytest.param(
        "models:lightgbm_classes",
        NUMBERS,
        "binary",
        "lightgbm",
        (False, True),
        marks=pytest.mark.heavy,
    ),
    pytest.param(
        "models:lightgbm_classes",
        NUMBERS,
        "multiclass",
        "lightgbm",
        ("high", "low", "mid"),
        marks=pytest.mark.heavy,
    ),
    pytest.param(
        "models:lightgbm_value", NUMBERS, "regression", "lightgbm", (), marks=pytest.mark.heavy
    ),
]


@pytest.mark.parametrize(("target", "features", "labels", "kind", "classes"), WORKING)
def test_estimators_of_each_library(
    user_code: UserCodeOf,
    rows: pl.DataFrame,
    tmp_path: Path,
    target: str,
    features: tuple[str, ...],
    labels: str,
    kind: str,
    classes: tuple[object, ...],
) -> None:
    task = {"zero_one": "binary", "classes": "multiclass"}.get(labels, labels)
    code = user_code(task=task, features=features)

    result = _train(code, target, _labels(rows, labels), tmp_path)

    assert (result.kind, result.classes) == (kind, classes)
    assert result.probabilities == (task != "regression" and "booster" not in target)
    assert result.seconds > 0
    assert result.warnings == ()


def test_the_estimator_needs_no_code_of_the_project(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    result = _train(user_code(frame_kind="polars"), "models:by_city", rows, tmp_path)

    script = (
        "import pickle, sys\n"
        "model = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert 'helpers' not in sys.modules\n"
        "print(model.predict_proba({'city': ['nowhere']}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out" / "estimator.pkl")],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.strip() == "[[1, 0.0]]"
    assert result.kind == "other"


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_the_callable_gets_features_and_label_and_nothing_else(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path, kind: str
) -> None:
    code = user_code(frame_kind=kind, features=("visits", "amount"))
    labelled = rows.with_columns(pl.col("label").cast(pl.Float64), secret=pl.lit(1))

    result = _train(code, "models:tell", labelled, tmp_path)

    log = code.log.read_text()
    assert f"COLUMNS ['visits', 'amount', 'label'] {kind}" in log
    assert "LABELS ['int']" in log
    assert "from C" in log
    assert "from the other end" in log
    assert "no predict_proba" in result.warnings[0]
    assert "warning: " in log


FAULTS = [
    ("raises", "user.raised", r"raised ValueError: no such luck \("),
    ("leaves", "user.exited", r"sys.exit\('enough'\)"),
    ("leaves_at_once", "user.exited", "exit status 3"),
    ("is_killed", "user.crashed", "SIGKILL"),
    ("crashes", "user.crashed", "SIGSEGV"),
    ("returns_nothing", "user.not_estimator", "NoneType.*Let it end with 'return model'"),
    ("cannot_predict", "user.cannot_predict", "cannot predict: KeyError: 'label'"),
]


@pytest.mark.parametrize(("name", "code", "says"), FAULTS)
def test_what_goes_wrong_is_told_as_theirs(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path, name: str, code: str, says: str
) -> None:
    with pytest.raises(UserCodeError) as caught:
        _train(user_code(task="regression", frame_kind="polars"), f"faults:{name}", rows, tmp_path)

    assert caught.value.code == code
    assert re.search(says, str(caught.value))
    assert f"faults:{name}" in caught.value.message
    assert not (tmp_path / "out" / "result.json").exists()
    if code != "user.crashed":  # there the interpreter itself tells where it was
        assert "holdfast/training" not in caught.value.traceback


def test_a_traceback_is_whole_and_only_theirs(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserCodeError) as caught:
        _train(user_code(), "faults:raises", rows, tmp_path)

    lines = caught.value.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "faults.py" in lines[1]
    assert "in raises" in lines[1]
    assert lines[-1] == "second line"
    assert "no such luck" in user_code().log.read_text()


def test_the_output_before_a_crash_is_kept(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserCodeError) as left:
        _train(user_code(), "faults:leaves_at_once", rows, tmp_path)
    with pytest.raises(UserCodeError) as crashed:
        _train(user_code(), "faults:crashes", rows, tmp_path)

    assert left.value.traceback == "last words"
    assert "Segmentation fault" in crashed.value.traceback
    assert "in crashes" in crashed.value.traceback
    assert "last words" not in crashed.value.traceback


def test_a_module_that_cannot_be_imported(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserCodeError, match="no_such_package") as caught:
        _train(user_code(), "needy:train", rows, tmp_path)

    assert caught.value.code == "user.import_failed"
    assert "needy.py" in caught.value.traceback


def _started(log: Path) -> int:
    match = re.search(r"STARTED (\d+)", log.read_text())
    assert match
    return int(match[1])


def test_a_training_that_hangs_is_stopped_with_all_it_started(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    code = user_code(timeout=timedelta(seconds=2))
    began = time.monotonic()

    with pytest.raises(UserCodeError, match="longer than 2s") as caught:
        _train(code, "faults:hangs", rows, tmp_path)

    assert caught.value.code == "user.timeout"
    assert time.monotonic() - began < 30
    _until(lambda: _is_gone(_started(code.log)))


def test_a_training_that_hoards_memory_is_stopped(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserCodeError, match=r"more than 0\.5 GiB") as caught:
        _train(user_code(memory_bytes=2**29), "faults:hoards", rows, tmp_path)

    assert caught.value.code == "user.memory"


def test_nothing_is_left_of_a_training_that_ended(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    code = user_code(task="regression")

    _train(code, "faults:leaves_children", rows, tmp_path)

    _until(lambda: _is_gone(_started(code.log)))
    assert _is_gone(_started(code.log))


def test_a_finished_result_counts_though_the_process_never_ends(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.training.watch.GRACE_SECONDS", 0.3)

    result = _train(user_code(task="regression"), "faults:never_ends", rows, tmp_path)

    assert result.type == "Fine"


def test_the_child_dies_with_its_parent(project: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    rows.write_parquet(tmp_path / "rows.parquet")
    script = (
        "import sys; from pathlib import Path\n"
        "from holdfast.training.user_code import LocalUserCode\n"
        "root, folder = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "code = LocalUserCode(root=root, log=folder / 'log', features=('amount',), label='label')\n"
        "code.train('faults:hangs', folder / 'rows.parquet', folder / 'out')\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(project), str(tmp_path)])
    log = tmp_path / "log"
    _until(lambda: log.exists() and "STARTED" in log.read_text())
    (child,) = psutil.Process(parent.pid).children()

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert _is_gone(child.pid)
    os.kill(_started(log), signal.SIGKILL)  # it made a session of its own


def test_results_of_an_earlier_training_are_not_taken_for_new(
    user_code: UserCodeOf, rows: pl.DataFrame, tmp_path: Path
) -> None:
    _train(user_code(task="regression"), "faults:leaves_children", rows, tmp_path)

    with pytest.raises(UserCodeError):
        _train(user_code(), "faults:raises", rows, tmp_path)

    assert list((tmp_path / "out").iterdir()) == []


def test_a_loaders_frame_comes_back(user_code: UserCodeOf) -> None:
    frame = user_code().load("loaders:as_pandas")

    assert frame["a"].to_list() == [1, 2]
    assert frame.null_count().row(0) == (0, 1, 1, 1)
    assert frame.schema == {"a": pl.Int64, "s": pl.String, "b": pl.Boolean, "f": pl.Float64}


def test_a_loader_runs_in_the_project(user_code: UserCodeOf, project: Path) -> None:
    assert user_code().load("loaders:where").row(0) == (str(project), True)


def test_errors_survive_pickling(user_code: UserCodeOf) -> None:
    with pytest.raises(UserCodeError) as caught:
        user_code().load("loaders:fails")

    copy = pickle.loads(pickle.dumps(caught.value))

    assert copy.code == "user.raised"
    assert copy.traceback == caught.value.traceback
    assert "no warehouse" in copy.traceback


def _is_gone(pid: int) -> bool:
    """Whether it runs no more. The kernel ends a killed process a moment after the signal."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
