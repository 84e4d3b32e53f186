"""The fixture ``model`` of behavioural tests, as pytest gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from holdfast.bundle.predictor import open_bundle
from holdfast.testing.plugin import BehaviourModel

ROWS = [{"size": 2.0, "heat": 20.0, "kind": "east"}, {"size": -2.0, "heat": 25.0, "kind": "west"}]


@pytest.fixture(scope="module")
def model(shared: Any) -> BehaviourModel:
    version = shared.container.version("tiny", 1)
    return BehaviourModel(open_bundle(version.bundle_path, key=shared.container.key))


def test_rows_in_any_form_get_the_same_answers(model: BehaviourModel) -> None:
    answers = model.predict(ROWS)
    assert list(answers.columns) == ["prediction", "probability"]
    assert answers["probability"][0] > 0.9
    assert bool(answers["prediction"][0]) is True
    for rows in (pd.DataFrame(ROWS), pl.DataFrame(ROWS)):
        pd.testing.assert_frame_equal(model.predict(rows), answers)
    assert len(model.predict([*ROWS, *ROWS])) == 4


@pytest.mark.parametrize("named", [True, False])
def test_it_is_a_plugin(shared: Any, tmp_path: Path, named: bool) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_more_is_worse(model):\n"
        "    rows = [{'size': s, 'heat': 20.0, 'kind': 'east'} for s in (-1.0, 0.0, 1.0)]\n"
        "    assert model.predict(rows)['probability'].is_monotonic_increasing\n"
    )
    environment = {**os.environ, "HOLDFAST_KEY_FILE": str(shared.home / "key")}
    environment.pop("HOLDFAST_BUNDLE", None)
    if named:
        environment["HOLDFAST_BUNDLE"] = shared.container.version("tiny", 1).bundle_path
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "holdfast.testing.plugin", "-p",
         "no:cacheprovider", str(tmp_path)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ("1 passed" in done.stdout) is named, done.stdout
    assert named or "HOLDFAST_BUNDLE names no bundle" in done.stdout
