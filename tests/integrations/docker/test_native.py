"""The image of a model that cannot be compiled, made by a plain installation of its own.

Its environment is that of the training, so the training must not happen among the tools of these
tests.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

TAG = "holdfast-test:native"
STUMP = '''
from sklearn.base import BaseEstimator, ClassifierMixin


class Stump(ClassifierMixin, BaseEstimator):
    """Of a class that no converter knows."""

    def fit(self, rows, labels):
        self.classes_ = np.array([False, True])
        self.edge_ = float(rows.loc[labels, "size"].mean())
        return self

    def predict_proba(self, rows):
        share = 1 / (1 + np.exp(-4 * (rows["size"].to_numpy() - self.edge_ / 2)))
        return np.column_stack([1 - share, share])

    def predict(self, rows):
        return self.predict_proba(rows)[:, 1] >= 0.5


def train(rows):
    return Stump().fit(rows.drop(columns="bad"), rows["bad"])
'''
ASK = """
import json, sys
from importlib.metadata import distributions
print(json.dumps({one.metadata["Name"].lower().replace("_", "-"): one.version
                  for one in distributions()}))
"""


def run(*words: str, folder: Path | None = None) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        words, cwd=folder, env=own, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_it_has_the_environment_of_the_training(project: Any, tmp_path: Path) -> None:
    python = os.environ["HOLDFAST_TEST_PLAIN_PYTHON"]
    docker = os.environ["HOLDFAST_DOCKER"]
    made = project(tmp_path / "tiny")
    code = made.project / "tiny.py"
    code.write_text(code.read_text().partition("def train(rows)")[0] + STUMP)

    def holdfast(*words: str) -> Any:
        answer = run(python, "-m", "holdfast.cli", *words, "--json", folder=made.project)
        return json.loads(answer)

    assert holdfast("train")["predictor"] == "native"
    built = holdfast("build", "1", "--tag", TAG, "--network", "host")
    try:
        # 'build' has run the image: it answers as the model did when it was registered.
        assert built["rows"] == 32
        name = f"holdfast-test-{secrets.token_hex(4)}"
        inside = run(
            docker, "run", "--rm", "--network", "none", "--name", name, "--entrypoint",
            "/opt/holdfast/bin/python", TAG, "-c", ASK,
        )  # fmt: skip
        here = json.loads(run(python, "-c", ASK))
        # The locked packages, and nothing else.
        assert json.loads(inside) == here
    finally:
        run(docker, "rmi", "--force", TAG)
