"""``render`` and ``build`` as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_an_image_of_a_version(trained: Any, run: Any) -> None:
    done = run("render", "docker", "image", "--version", "2", home=trained)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == "next: docker build -t NAME image"
    text = (trained.project / "image" / "Dockerfile").read_text()
    assert "HOLDFAST_SERVE_VERSION=2" in text
    assert (trained.project / "image" / "bundle" / "bundle.json").exists()
    again = json.loads(run("render", "docker", "image", "--json", home=trained).out)
    assert again["files"] == sorted(again["files"])
    assert "HOLDFAST_SERVE_VERSION=3" in (trained.project / "image" / "Dockerfile").read_text()


def test_an_image_of_a_bundle_needs_no_registry(shared: Any, run: Any, tmp_path: Path) -> None:
    bundle = shared.container.registry.version("tiny", 1).bundle_path
    out = str(tmp_path / "image")
    done = run("render", "docker", out, "--bundle", bundle, project=tmp_path)
    assert done.status == 0, done.err
    assert not (tmp_path / ".holdfast").exists()
    both = run("render", "docker", out, "--bundle", bundle, "--version", "1", project=tmp_path)
    assert both.status == 2
    assert "exclude each other" in both.err


def test_a_compose_file_needs_no_version(run: Any, tmp_path: Path) -> None:
    done = run("render", "compose", "stack", "--postgres", "postgres:16", project=tmp_path)
    assert done.status == 0, done.err
    assert "image: postgres:16" in (tmp_path / "stack" / "compose.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (["render", "docker", "out", "--version", "9"], "registry.no_version", 1),
        (["render", "docker", ".", "--version", "1"], "render.not_ours", 1),
        (["render", "docker", "out", "--base", "x\nRUN id"], "render.unsafe_value", 2),
        (["render", "docker", "out", "--fetch", "https://a:b@c"], "render.secret_address", 2),
        (["render", "nomad", "out"], "usage.command", 2),
        (["build", "9"], "registry.no_version", 1),
        (["build", "1"], "build.no_engine", 1),
    ],
)
def test_what_goes_wrong_has_a_code_and_a_fix(
    trained: Any, run: Any, monkeypatch: pytest.MonkeyPatch, words: list[str], code: str,
    status: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("HOLDFAST_DOCKER", "/nowhere/docker")
    done = run(*words, "--json", home=trained)
    assert (done.status, done.error["code"]) == (status, code)
    assert done.error["fix"]
