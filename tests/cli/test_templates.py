"""``holdfast init``: the files, and that they are a project that works."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from holdfast.cli.templates import FILES, NAME, scaffold
from holdfast.errors import ConflictError, UsageError
from holdfast.spec import Section, Spec, load_spec


def test_the_files_are_written_and_named(tmp_path: Path) -> None:
    written = scaffold(tmp_path / "new" / "churn", "churn")
    assert written == list(FILES)
    for name in written:
        text = (tmp_path / "new" / "churn" / name).read_text()
        assert text
        assert NAME not in text


def test_the_spec_is_valid_and_says_every_section(tmp_path: Path) -> None:
    scaffold(tmp_path, "churn-2.eu")
    spec = load_spec(tmp_path)
    assert spec.model.name == "churn-2.eu"
    sections = [name for name in Spec.__struct_fields__ if name != "root"]
    text = (tmp_path / "holdfast.toml").read_text()
    for name in sections:
        assert f"[{name}]" in text
        assert isinstance(getattr(spec, name), Section) or name == "notify"
    assert (tmp_path / str(spec.gate.behaviour)).is_dir()


def test_every_line_of_the_spec_is_explained(tmp_path: Path) -> None:
    scaffold(tmp_path, "churn")
    for line in (tmp_path / "holdfast.toml").read_text().splitlines():
        if " = " in line and not line.startswith("#"):
            assert "#" in line, line


def test_files_that_exist_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    written = scaffold(tmp_path, "churn")
    assert "README.md" not in written
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_project_is_not_made_twice(tmp_path: Path) -> None:
    scaffold(tmp_path, "churn")
    with pytest.raises(ConflictError) as error:
        scaffold(tmp_path, "other")
    assert error.value.code == "init.exists"
    assert error.value.fix
    assert load_spec(tmp_path).model.name == "churn"


@pytest.mark.parametrize("name", ["", "Churn", 'a"b', "a b", "x" * 64])
def test_a_name_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError) as error:
        scaffold(tmp_path / "p", name)
    assert error.value.code == "init.name"
    assert not (tmp_path / "p").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as error:
        scaffold(tmp_path / "file" / "p", "churn")
    assert error.value.code == "init.folder"


def test_the_rows_are_what_the_spec_says(tmp_path: Path) -> None:
    scaffold(tmp_path, "churn")
    data = load_spec(tmp_path).data
    rows = _module(tmp_path / "model.py").load()
    assert {data.id, data.time, data.label, *data.features} <= set(rows.columns)
    assert 7_500 < len(rows) < 8_500
    assert rows[data.id].is_unique
    assert rows[data.time].is_monotonic_increasing
    now = datetime.now(UTC)
    assert rows[data.time].max() <= now
    assert rows[data.time].max() > now - timedelta(days=1)
    assert rows["last_rating"].isna().mean() == pytest.approx(0.6, abs=0.05)
    assert rows[data.label].mean() == pytest.approx(0.23, abs=0.05)


def test_a_day_is_the_same_whenever_it_is_loaded(tmp_path: Path) -> None:
    scaffold(tmp_path, "churn")
    module = _module(tmp_path / "model.py")
    once, again = module.load(), module.load()
    size = min(len(once), len(again))
    assert once.head(size).equals(again.head(size))


def test_it_is_checked_trained_and_judged_as_it_is(tmp_path: Path) -> None:
    """The first five minutes, with the commands that a person types."""
    project = tmp_path / "my churn"
    assert _holdfast(tmp_path, "init", str(project))["files"] == list(FILES)
    assert load_spec(project).model.name == "my-churn"
    checked = _holdfast(project, "check")
    assert checked["ok"]
    assert checked["train"] > 5_000
    version = _holdfast(project, "train")
    assert version["number"] == 1
    metric = version["metrics"][0]
    assert metric["name"] == "roc_auc"
    assert 0.75 < metric["value"] < 0.85
    assert version["predictor"] == "onnx"
    verdict = _holdfast(project, "gate")
    assert verdict["outcome"] == "pass", verdict
    names = [check["name"] for check in verdict["checks"]]
    assert {"metric.min", "latency", "behaviour"} <= set(names)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("scaffolded_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _holdfast(folder: Path, *words: str) -> Any:
    """Runs a command in a folder, away from any installation of the machine."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOLDFAST_", "MLFLOW_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", *words, "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
