"""Clients that others wrote, each in an environment of its own, against ``holdfast serve``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.heavy

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "contracts" / "open-inference.md"
COLUMNS = {"size": [0.5, -2.25, 0.1], "heat": [21.0, 3.5, 20.0], "kind": ["east", "west", "east"]}


def environment(name: str) -> Path:
    """The programs of one client; ``scripts/clients.sh`` installs them."""
    folder = Path(os.environ["HOLDFAST_TEST_CLIENTS"]) / name / "bin"
    assert folder.is_dir(), f"scripts/clients.sh did not install {name}"
    return folder


def run(name: str, script: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a script prints that runs in the environment of a client."""
    words = [str(environment(name) / "python"), str(HERE / script), json.dumps(given)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def given(shared: Any, tmp_path_factory: Any, wait: Any) -> Iterator[dict[str, Any]]:
    """Where a real server answers, and rows with the answers of MLflow's contract."""
    ready = tmp_path_factory.mktemp("serve") / "ready.json"
    (bundle, *_) = (file.parent for file in shared.home.rglob("bundle.json"))
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", "serve", str(bundle), "--port", "0",
         "--metrics-port", "0", "--grpc-port", "0", "--ready-file", str(ready)],
        cwd=shared.project, env=shared.environment,
    )  # fmt: skip
    try:
        wait(ready.exists, 60.0)
        state = json.loads(ready.read_text())
        wait(lambda: _status(state["url"] + "/v2/health/ready") == 200, 60.0)
        answers = _post(state["url"] + "/invocations", {"inputs": COLUMNS})["predictions"]
        yield {
            "http": state["url"].removeprefix("http://"), "grpc": state["grpc"],
            "version": "0", "columns": COLUMNS,
            "expected": {
                "prediction": [answer["prediction"] for answer in answers],
                "probability": [answer["probability"] for answer in answers],
            },
        }  # fmt: skip
    finally:
        process.terminate()
        assert process.wait(60) == 0


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except OSError:
        return 0


def _post(url: str, body: Any) -> Any:
    asked = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as response:
        return json.loads(response.read())


def test_tritonclient(given: dict[str, Any]) -> None:
    found = run("triton", "triton.py", given)
    assert [tensor["name"] for tensor in found.pop("metadata")["inputs"]] == list(COLUMNS)
    assert [tensor["name"] for tensor in found.pop("grpc metadata")["inputs"]] == list(COLUMNS)
    assert found.pop("http error") == ["404", "there is no such model here"]
    assert found.pop("http 404")[0] == "404"
    assert found.pop("grpc error") == ["StatusCode.NOT_FOUND", "there is no such model here"]
    ids = [answer.pop("id") for answer in found.values()]
    assert len(set(ids)) == len(ids) == 9
    assert all(identity.startswith("p-") for identity in ids)
    assert found == dict.fromkeys(found, given["expected"])


@pytest.mark.parametrize("number", [0, 1])
def test_the_page_is_true(given: dict[str, Any], number: int) -> None:
    blocks = re.findall(r"^```python triton\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    code = blocks[number].replace("127.0.0.1:8080", given["http"])
    code = code.replace("127.0.0.1:9000", given["grpc"])
    python = environment("triton") / "python"
    subprocess.run([str(python), "-c", code], check=True, timeout=240)


def test_kserve(given: dict[str, Any]) -> None:
    found = run("kserve", "kserve.py", given)
    assert "there is no such model here" in found.pop("error")
    rows = found.pop("v1")["predictions"]
    assert [row["probability"] for row in rows] == given["expected"]["probability"]
    assert found.keys() == {"v2 False", "v2 True", "grpc", "grpc raw"}
    assert found == dict.fromkeys(found, given["expected"])


@pytest.mark.parametrize("binary", [False, True])
def test_mlserver_infer(given: dict[str, Any], tmp_path: Path, *, binary: bool) -> None:
    kinds = {"size": "FP64", "heat": "FP64", "kind": "BYTES"}
    lines = [
        json.dumps({
            "inputs": [
                {"name": name, "datatype": kinds[name], "shape": [1], "data": [values[row]]}
                for name, values in COLUMNS.items()
            ]
        })
        for row in range(3)
    ]  # fmt: skip
    asked, answered = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    asked.write_text("\n".join(lines) + "\n")
    words = [
        str(environment("mlserver") / "mlserver"), "infer", "--url", given["http"],
        "--model-name", "tiny", "--input-data-path", str(asked), "--output-data-path",
        str(answered), "--workers", "1", *(["--binary-data"] if binary else []),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(line) for line in answered.read_text().splitlines()]
    shares = {
        tuple(output["data"])
        for line in found
        for output in line["outputs"]
        if output["name"] == "probability"
    }
    assert shares == {(share,) for share in given["expected"]["probability"]}
