"""What is measured: our server, and the others, each started the way its documentation says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import peers
from fixture import HOLDFAST
from options import Options
from processes import PYTHON, clean_environment

from serving.models import TITLES, Model

HERE = Path(__file__).parent / "services"
OURS = "holdfast"
BARE = "bare-onnx"
Rows = list[dict[str, Any]]


class Service(NamedTuple):
    """Something that answers.

    Args:
        name: as in ``--only``.
        command: starts it; ``{port}``, ``{port2}`` and ``{port3}`` stand for free ports.
        path: of scoring.
        body: of a request with these rows.
        answer: the probabilities in what comes back.
    """

    name: str
    command: list[str]
    path: str
    body: Callable[[Rows], Any]
    answer: Callable[[Any], list[float]]
    cwd: Path
    env: dict[str, str]


def services(model: Model, options: Options) -> tuple[list[Service], list[str]]:
    """All that were asked for and can be had, and notes about the versions, or why not."""
    env = clean_environment(
        BENCH_FOLDER=str(model.folder), BENCH_TRUTH=repr(model.truth), UVICORN_LOG_LEVEL="warning",
        BENCH_ONNX=str(model.bundle / "model.onnx"), PYTHONPATH=str(HERE),
    )  # fmt: skip
    found = [
        _uvicorn("echo", "echo", env, _split),
        _uvicorn(BARE, "bare_onnx", env, _split),
        _ours(model),
        _uvicorn("fastapi", "fastapi_sklearn", env, _objects),
    ]
    notes: list[str] = []
    wanted = set(options.only) - set(TITLES)
    for product, make in _PEERS.items():
        names = _NAMES[product]
        if wanted and not set(names) & wanted:
            continue
        python, said = peers.environment(product, options)
        notes += said
        if python is None:
            continue
        path = f"{python.parent}:{os.environ.get('PATH', '')}"
        try:
            found += make(python, model, {**env, "PATH": path})
        except (RuntimeError, subprocess.SubprocessError, OSError) as error:
            notes.append(f"{product} was left out: {last_line(error)}")
    if wanted:
        found = [one for one in found if one.name in wanted]
    return found, notes


def last_line(error: Exception) -> str:
    """What an error says in the end, which is where a log has its reason."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip()[:200] if lines else 'says nothing'}"


def _split(rows: Rows) -> Any:
    data = [list(row.values()) for row in rows]
    return {"dataframe_split": {"columns": list(rows[0]), "data": data}}


def _objects(rows: Rows) -> Any:
    return {"rows": rows}


def _plain(found: Any) -> list[float]:
    answered: list[float] = found["probability"]
    return answered


def _uvicorn(name: str, module: str, env: dict[str, str], body: Callable[[Rows], Any]) -> Service:
    command = [
        PYTHON, "-m", "uvicorn", f"{module}:app", "--port", "{port}", "--no-access-log",
        "--log-level", "warning", "--loop", "uvloop", "--http", "httptools",
    ]  # fmt: skip
    return Service(name, command, "/predict", body, _plain, HERE, env)


def _ours(model: Model) -> Service:
    return Service(
        OURS,
        [*HOLDFAST, "serve", str(model.bundle), "--port", "{port}", "--metrics-port", "0"],
        "/invocations", _split,
        lambda found: [one["probability"] for one in found["predictions"]],
        model.project.folder, model.project.env,
    )  # fmt: skip


def _mlflow_model(python: Path, model: Model, env: dict[str, str]) -> Path:
    folder = model.folder / f"mlflow-{python.parent.parent.name}"
    if not folder.exists():
        peers.run(python, HERE / "save_mlflow.py", str(folder), env=env)
    return folder


def _mlflow(python: Path, model: Model, env: dict[str, str]) -> list[Service]:
    command = [
        str(python.with_name("mlflow")), "models", "serve", "-m",
        str(_mlflow_model(python, model, env)), "-p", "{port}", "--env-manager", "local", "-w", "1",
    ]  # fmt: skip
    return [
        Service(
            "mlflow", command, "/invocations", _split,
            lambda found: [pair[1] for pair in found["predictions"]], model.folder, env,
        )
    ]  # fmt: skip


def _mlserver(python: Path, model: Model, env: dict[str, str]) -> list[Service]:
    made = []
    for name, runtime, uri in (
        ("mlserver", "mlserver_sklearn.SKLearnModel", model.folder / "estimator.pkl"),
        ("mlserver-mlflow", "mlserver_mlflow.MLflowRuntime", _mlflow_model(python, model, env)),
    ):
        folder = model.folder / name
        folder.mkdir(exist_ok=True)
        settings = {"name": "bench", "implementation": runtime, "parameters": {"uri": str(uri)}}
        (folder / "model-settings.json").write_text(json.dumps(settings))
        (folder / "settings.json").write_text(json.dumps({"debug": False, "host": "127.0.0.1"}))
        command = [
            "env", "MLSERVER_HTTP_PORT={port}", "MLSERVER_GRPC_PORT={port2}",
            "MLSERVER_METRICS_PORT={port3}", str(python.with_name("mlserver")), "start", ".",
        ]  # fmt: skip
        outputs = [{"name": "predict_proba"}] if name == "mlserver" else None
        made.append(
            Service(
                name, command, "/v2/models/bench/infer",
                lambda rows, outputs=outputs: _tensors(rows, outputs),  # type: ignore[misc]
                lambda found: found["outputs"][0]["data"][1::2], folder, env,
            )
        )  # fmt: skip
    return made


def _tensors(rows: Rows, outputs: Any) -> Any:
    inputs = []
    for name, first in rows[0].items():
        text = isinstance(first, str)
        one = {
            "name": name, "datatype": "BYTES" if text else "FP64", "shape": [len(rows), 1],
            "data": [row[name] for row in rows],
        }  # fmt: skip
        inputs.append({**one, "parameters": {"content_type": "str"}} if text else one)
    body = {"parameters": {"content_type": "pd"}, "inputs": inputs}
    return {**body, "outputs": outputs} if outputs else body


def _bentoml(python: Path, model: Model, env: dict[str, str]) -> list[Service]:
    command = [
        str(python.with_name("bentoml")), "serve", "bento:Service", "--port", "{port}",
        "--host", "127.0.0.1", "--working-dir", str(HERE),
    ]  # fmt: skip
    quiet = {**env, "BENTOML_DO_NOT_TRACK": "1", "BENTOML_HOME": str(model.folder / "bentoml")}
    return [
        Service("bentoml", command, "/predict", _objects, list, HERE, quiet),
        Service(
            "bentoml-batching", command, "/predict", _objects, list, HERE,
            {**quiet, "BENCH_BATCH": "1"},
        ),
    ]  # fmt: skip


def _script(name: str, file: str) -> Callable[[Path, Model, dict[str, str]], list[Service]]:
    def make(python: Path, model: Model, env: dict[str, str]) -> list[Service]:
        command = [str(python), str(HERE / file), "{port}"]
        return [Service(name, command, "/predict", _objects, _plain, model.folder, env)]

    return make


_PEERS = {
    "mlflow": _mlflow,
    "mlserver": _mlserver,
    "bentoml": _bentoml,
    "litserve": _script("litserve", "lit.py"),
    "ray": _script("ray", "ray_app.py"),
}
_NAMES = {
    "mlflow": ("mlflow",),
    "mlserver": ("mlserver", "mlserver-mlflow"),
    "bentoml": ("bentoml", "bentoml-batching"),
    "litserve": ("litserve",),
    "ray": ("ray",),
}
