"""The control plane as a process: it ends when told to, whoever waits for an answer."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.control.app import create_app
from holdfast.loop.container import Container


@contextmanager
def _running(home: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    log = tmp_path / "control.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", "control", "--port", "0",
             "--project", str(tmp_path)],
            stdout=out, stderr=out, env={"HOLDFAST_HOME": str(home), "PATH": ""},
        )  # fmt: skip
    try:
        file = home / "run" / "control.json"
        deadline = time.monotonic() + 60
        while not file.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = json.loads(file.read_text())["url"]
        while not _answers(url):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, url, log
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/health").status_code == 200
    except httpx.TransportError:
        return False


def test_it_ends_at_once_though_a_server_and_a_page_wait(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with _running(home, tmp_path) as (process, url, log):
        answers: list[httpx.Response] = []
        waiting = [
            threading.Thread(target=lambda p=path: answers.append(httpx.get(url + p, timeout=60)))
            for path in ("/api/v1/routes?server=a&wait=25", "/events")
        ]
        for thread in waiting:
            thread.start()
        time.sleep(0.5)  # so that they do wait; sooner, the test would only prove less
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
        for thread in waiting:
            thread.join(30)

    assert status == 0
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "Traceback" not in log.read_text()
    assert not (home / "run" / "control.json").exists()


@pytest.mark.parametrize(
    ("accept", "kind"), [("text/html", "text/html"), ("*/*", "application/json")]
)
def test_a_fault_of_ours_is_an_error_like_any_other(
    busy: Any, monkeypatch: pytest.MonkeyPatch, accept: str, kind: str
) -> None:
    def broken(_: Container) -> list[str]:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Container, "models", broken)
    monkeypatch.setattr(Container, "servers", broken)

    async def ask() -> httpx.Response:
        app = create_app(busy.container, reconcile=False)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            path = "/" if "html" in accept else "/api/v1/models"
            return await client.get(path, headers={"accept": accept})

    answer = asyncio.run(ask())

    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    assert "a fault of Holdfast" in answer.text
    assert "secret" not in answer.text
