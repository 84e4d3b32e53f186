"""A server that is told everything by its environment, as in an image, and asked by its probe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.loop.routes_known import routes_known
from holdfast.serving.probe import main, ready_file


def test_without_a_server_it_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    assert main([]) == 1
    assert capsys.readouterr().err == "no answer: FileNotFoundError\n"


def test_a_server_is_configured_by_its_environment(shared: Any, tmp_path: Path, wait: Any) -> None:
    version = shared.container.registry.version("tiny", 1)
    environment = {
        **{n: v for n, v in os.environ.items() if not n.startswith(("HOLDFAST_", "MLFLOW_"))},
        "HOLDFAST_HOME": str(tmp_path / "home"),
        "HOLDFAST_SERVER": "here",
        "HOLDFAST_SERVE_BUNDLE": Path(version.bundle_path).as_uri(),
        "HOLDFAST_SERVE_DIGEST": version.bundle,
        "HOLDFAST_SERVE_VERSION": "7",
        "HOLDFAST_HOST": "0.0.0.0",
        "HOLDFAST_PORT": "0",
        "HOLDFAST_METRICS_PORT": "0",
        "HOLDFAST_TOKEN": "a-token",
    }

    def probe(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "holdfast.serving.probe", *words], input=stdin,
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    server = subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", "serve"], env=environment, cwd=tmp_path,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait(lambda: server.poll() is not None or probe().returncode == 0, 60)
        assert server.poll() is None, server.stderr and server.stderr.read()
        body = {"dataframe_records": [{"size": 1.0, "heat": 20.0, "kind": "east"}]}
        answered = probe("--ask", stdin=json.dumps(body))
        assert answered.returncode == 0, answered.stderr
        assert len(json.loads(answered.stdout)["predictions"]) == 1
        assert probe("--ask", stdin="{}").returncode == 1
        assert ready_file(tmp_path / "home").parent.name == "run"
        (route,) = routes_known(tmp_path / "home")  # the recorder counts by it
        assert (route.champion.version, route.champion.bundle) == (7, version.bundle)
        assert Path(route.champion.path).is_relative_to(tmp_path / "home")
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert server.returncode == 0


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"HOLDFAST_HOST": "0.0.0.0"}, "serve.exposed"),
        ({"HOLDFAST_SERVE_BUNDLE": "https://models.internal/x"}, "fetch.no_digest"),
        ({"HOLDFAST_SERVE_BUNDLE": "/nowhere"}, "serve.no_bundle"),
    ],
)
def test_what_is_wrong_is_said(more: dict[str, str], code: str, tmp_path: Path) -> None:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("HOLDFAST_")}
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", "serve", "--port", "0"], cwd=tmp_path,
        env={**kept, **more}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert code in done.stderr
