"""In a project's folder: ``warm_run.py N`` measures warm runs, ``warm_run.py plain`` does one.

Prints JSON: milliseconds by what was run and round, and by step of ``run_train``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def plain() -> None:
    """What somebody would write by hand, with the same data, model and MLflow store."""
    import pickle

    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    from holdfast.registry.client import import_mlflow

    sys.path.insert(0, "")
    import model

    mlflow = import_mlflow()
    home = Path(os.environ["HOLDFAST_HOME"])
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    rows = model.load().sort_values("at")
    cut = int(len(rows) * 0.8)
    train, test = rows.iloc[:cut], rows.iloc[cut:]
    fitted = model.train_tiny(train)
    score = fitted.predict_proba(test[model.FEATURES])[:, 1]
    metrics = {
        "roc_auc": roc_auc_score(test["label"], score),
        "average_precision": average_precision_score(test["label"], score),
        "log_loss": log_loss(test["label"], score),
        "brier": brier_score_loss(test["label"], score),
    }
    found = client.get_experiment_by_name("plain")
    experiment = found.experiment_id if found else client.create_experiment(
        "plain", (home / "artifacts" / "plain").as_uri()
    )  # fmt: skip
    run = client.create_run(experiment)
    for name, value in metrics.items():
        client.log_metric(run.info.run_id, name, value)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "estimator.pkl").write_bytes(pickle.dumps(fitted))
        client.log_artifacts(run.info.run_id, folder, "model")
    client.set_terminated(run.info.run_id)
    if not found:
        client.create_registered_model("plain")
    client.create_model_version("plain", f"{run.info.artifact_uri}/model", run.info.run_id)


def two_processes() -> None:
    """The least that two processes of user code can cost."""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", "import pandas, sklearn.linear_model"], check=True)


class Steps:
    """Milliseconds from one step of ``run_train`` to the next, and of the user's processes."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}
        self.user = 0.0
        self._name = ""
        self._began = 0.0

    def begin(self, name: str) -> None:
        now = time.perf_counter()
        if self._name:
            self.found.setdefault(self._name, []).append(1000 * (now - self._began))
        self._name, self._began = name, now


def holdfast(container: Any, steps: Steps) -> None:
    from holdfast.loop.pipeline import train_now

    steps.begin("beginning the job")
    train_now(container, tell=steps.begin)
    steps.begin("")


def watch_user_code(steps: Steps) -> None:
    """Adds up what the two processes of user code take."""
    from holdfast.training.user_code import LocalUserCode

    for name in ("load", "train"):
        original = getattr(LocalUserCode, name)

        def timed(*args: Any, _original: Any = original, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return _original(*args, **kwargs)
            finally:
                steps.user += 1000 * (time.perf_counter() - began)

        setattr(LocalUserCode, name, timed)


def measure(count: int) -> dict[str, Any]:
    from holdfast.loop.container import Container

    container, steps = Container.open(Path()), Steps()
    watch_user_code(steps)
    plain()
    holdfast(container, steps)
    steps.found.clear()
    found: dict[str, Any] = {"plain": [], "processes": [], "holdfast": [], "without": []}
    for _ in range(count):
        for name, work in (
            ("plain", plain),
            ("processes", two_processes),
            ("holdfast", lambda: holdfast(container, steps)),
        ):
            steps.user, began = 0.0, time.perf_counter()
            work()
            found[name].append(1000 * (time.perf_counter() - began))
        found["without"].append(found["holdfast"][-1] - steps.user)
    return {**found, "steps": steps.found}


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        plain()
    else:
        print(json.dumps(measure(int(sys.argv[1]))))
