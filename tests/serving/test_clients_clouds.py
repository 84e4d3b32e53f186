"""A real ``holdfast serve``, called as its pages say, and by clients that others wrote.

scripts/clients-clouds.sh installs the clients; scripts/heavy.sh names them in
``HOLDFAST_TEST_CLOUDS`` and ``HOLDFAST_TEST_MLFLOW_PYTHON``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import httpx
import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from holdfast.records import Reference
from holdfast.registry.build import build_bundle
from holdfast.spec import parse_spec

pytestmark = pytest.mark.heavy

NOW = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = ["delay", "distance", "hour"]
ROWS = [
    {"delay": 1.5, "distance": -0.25, "hour": 0.5},
    {"delay": None, "distance": 0.75, "hour": -1.0},
]
HOLDFAST = Path(sys.executable).with_name("holdfast")
CLIENTS = Path(__file__).with_name("clients")
PAGES = Path(__file__).parents[2] / "docs" / "contracts"


class Late:
    """A bundle, and what its model must answer."""

    def __init__(self, folder: Path) -> None:
        values = np.random.default_rng(1).normal(size=(900, 3))
        values[::7, 0] = np.nan
        late = np.nan_to_num(values[:, 0]) + values[:, 1] > 0
        frame = pl.DataFrame(
            {name: values[:, column] for column, name in enumerate(NAMES)}
            | {"at": [NOW + timedelta(minutes=n) for n in range(900)], "late": late}
        ).with_columns(pl.col("delay").fill_nan(None))
        self.estimator = HistGradientBoostingClassifier(max_iter=20, random_state=0)
        self.estimator.fit(frame.select(NAMES).to_pandas(), late)
        pickled = folder / "late.pkl"
        pickled.write_bytes(cloudpickle.dumps(self.estimator))
        text = f"""
            [model]
            name = "late"
            task = "binary"
            train = "a:b"
            [data]
            source = "x.parquet"
            time = "at"
            label = "late"
            features = {NAMES}
            [gate]
            metric = "roc_auc"
        """
        self.bundle = folder / "bundle"
        build_bundle(
            self.bundle, estimator_pickle=pickled, train=frame.head(700), test=frame.tail(200),
            spec=parse_spec(text), run="r", dataset="sha256:d", lock="", now=NOW, key=bytes(32),
            reference=Reference(bins=(), summaries=(), loss=0.1, loss_low=0.1, loss_high=0.1),
        )  # fmt: skip

    def answers(self, rows: list[dict[str, Any]]) -> Any:
        frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.Float64)).to_pandas()
        return pytest.approx(self.estimator.predict_proba(frame)[:, 1].tolist(), abs=1e-6)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Late:
    return Late(tmp_path_factory.mktemp("late"))


Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers; returns the port of each."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **environment: str) -> str:
        ready = tmp_path / f"ready-{len(running)}.json"
        port = [] if environment else ["--port", "0"]
        command = [HOLDFAST, "serve", *arguments, *port, "--metrics-port", "0"]
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--ready-file", ready],
            cwd=tmp_path, env={**os.environ, **environment},
        )  # fmt: skip
        running.append(server)
        wait_for(server, ready.exists)
        url = str(json.loads(ready.read_text())["url"])
        wait_for(server, lambda: httpx.get(f"{url}/v2/health/ready", timeout=60).is_success)
        return url.rpartition(":")[2]

    yield start
    for server in running:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def wait_for(server: subprocess.Popen[bytes], true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def clouds(name: str) -> Path:
    found = os.environ.get("HOLDFAST_TEST_CLOUDS")
    if found is None:
        pytest.skip("HOLDFAST_TEST_CLOUDS names no folder of scripts/clients-clouds.sh")
    return Path(found) / name / "bin"


def run(python: str | Path, script: str, *arguments: str | Path) -> Any:
    done = subprocess.run(
        [python, CLIENTS / script, *arguments], capture_output=True, text=True, timeout=280,
        check=False, env={**os.environ, "PYTHONPATH": str(CLIENTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def shares(answer: Any) -> list[float]:
    return [row["probability"] for row in answer["predictions"]]


ELSEWHERE = {"open-inference"}  # its calls are those of tests/serving/rpc/test_serve.py


@pytest.mark.parametrize(
    "page", sorted({path.stem for path in PAGES.glob("[a-z]*.md")} - ELSEWHERE)
)
def test_what_the_pages_show(page: str, late: Late, serve: Serve, tmp_path: Path) -> None:
    """Each ``curl`` gives what is shown, on the server that the page starts."""
    commands = [
        block.removeprefix("$ ").replace("\\\n", " ")
        for block in blocks(PAGES / f"{page}.md", "console")
    ]
    starts = [command for command in commands if "holdfast serve" in command]
    calls = [command.splitlines() for command in commands if "curl" in command]
    assert calls
    if starts:
        shutil.copytree(late.bundle, tmp_path / "ml" / "model")
        places = starts[0].replace("/srv/ml", f"{tmp_path}/ml").split()
        environment = dict(word.split("=", 1) for word in places if word[0].isupper())
        environment = {name: "0" if v == "8080" else v for name, v in environment.items()}
        port = serve(*(["--port", "0"] if "--port" in places else []), **environment)
    else:
        port = serve(str(late.bundle))
    for call, *shown in calls:
        command = call.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60
        )
        assert rounded(done.stdout) == rounded("\n".join(shown))


def rounded(text: str) -> str:
    """A page shows four digits of a probability."""
    return re.sub(r"0\.\d+", lambda number: f"{float(number[0]):.3f}", text).strip()


def test_mlflows_scoring_client(late: Late, serve: Serve) -> None:
    python = os.environ.get("HOLDFAST_TEST_MLFLOW_PYTHON")
    if python is None:
        pytest.skip("HOLDFAST_TEST_MLFLOW_PYTHON names no interpreter with the full mlflow")
    port = serve(str(late.bundle))
    found = run(python, "mlflow_client.py", port, json.dumps(ROWS))
    answers = found["answers"]
    assert found["version"]
    assert answers["frame"] == late.answers(ROWS)  # with a NaN for the missing delay
    filled = [{**row, "delay": row["delay"] or 0.0} for row in ROWS]
    assert answers["instances"] == late.answers(filled)
    assert "error code 400" in answers["params"]


def test_boto3(late: Late, serve: Serve, tmp_path: Path) -> None:
    shutil.copytree(late.bundle, tmp_path / "ml" / "model" / "late")
    port = serve(SAGEMAKER_BASE_DIR=str(tmp_path / "ml"), SAGEMAKER_BIND_TO_PORT="0")
    found = run(clouds("sagemaker") / "python", "sagemaker_client.py", port, json.dumps(ROWS))
    text, kind, attributes = found["json"]
    assert shares(json.loads(text)) == late.answers(ROWS)
    assert kind == "application/json"
    assert attributes.startswith("holdfast-prediction-id=p")
    text, kind, _ = found["csv"]
    assert [float(line.split(",")[1]) for line in text.splitlines()] == late.answers(ROWS)
    assert kind.startswith("text/csv")
    lines = [json.loads(line) for line in found["headless"][0].splitlines()]
    assert shares({"predictions": lines}) == late.answers(ROWS)
    assert shares(json.loads(found["lines"][0])) == late.answers(ROWS)
    assert found["refused"] == [400, "ModelError"]


def test_vertex_local_endpoint(late: Late) -> None:
    python = clouds("vertex") / "python"
    found = run(python, "vertex_client.py", HOLDFAST, late.bundle, json.dumps(ROWS))
    assert (found["health"], found["bare"]) == (200, 200)
    assert shares(found["answer"]) == late.answers(ROWS)
    status, problem = found["refused"]
    assert (status, list(problem)) == (400, ["error"])


def test_azure_local_deployment(late: Late, tmp_path: Path) -> None:
    """With the YAML of the guide, but for the image and the folder of the model."""
    endpoint, deployment = blocks(PAGES / "azure-ml.md", "yaml")
    shutil.copytree(late.bundle, tmp_path / "bundle")
    (tmp_path / "endpoint.yml").write_text(endpoint)
    image = "registry.example/late:3"
    assert image in deployment
    (tmp_path / "deployment.yml").write_text(deployment.replace(image, str(HOLDFAST)))
    found = run(clouds("azure") / "python", "azure_client.py", tmp_path, json.dumps(ROWS))
    assert shares(found["answers"]["input_data"]) == late.answers(ROWS)
    assert found["answers"]["data"] == found["answers"]["input_data"]
    assert found["scoring"] == {"path": "/score", "port": 5001}
    assert found["slots"] > 1


def blocks(page: Path, kind: str) -> list[str]:
    parts = page.read_text(encoding="utf-8").split("```")
    return [part[len(kind) + 1 :] for part in parts[1::2] if part.startswith(f"{kind}\n")]


def test_schemathesis(late: Late, serve: Serve, tmp_path: Path) -> None:
    """Every operation of the document, with Vertex AI's routes on."""
    port = serve(
        str(late.bundle), AIP_HTTP_PORT="0", AIP_HEALTH_ROUTE="/alive",
        AIP_PREDICT_ROUTE="/answer",
    )  # fmt: skip
    shutil.copy(CLIENTS / "schemathesis.toml", tmp_path)
    done = subprocess.run(
        [
            clouds("schemathesis") / "schemathesis", "run",
            f"http://127.0.0.1:{port}/openapi.json", "--seed", "1",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"(\d{3,}) generated, \1 passed", done.stdout), done.stdout[-6000:]
