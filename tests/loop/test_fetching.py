"""Bundles fetched over HTTP: only the one asked for, whole, and once."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.bundle.manifest import bundle_digest, verify
from holdfast.errors import HoldfastError, UnavailableError, UsageError
from holdfast.loop.fetching import fetch


class Files(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *rest: Any) -> None:
        pass


@pytest.fixture
def bundle(shared: Any, tmp_path: Path) -> Path:
    made = shared.container.registry.version("tiny", 1).bundle_path
    return Path(shutil.copytree(made, tmp_path / "served"))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the last answer


@pytest.fixture
def address(bundle: Path) -> Iterator[str]:
    Files.asked.clear()
    with Server(("127.0.0.1", 0), partial(Files, directory=str(bundle))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_it_is_fetched_whole_and_once(address: str, bundle: Path, tmp_path: Path) -> None:
    digest = bundle_digest(bundle)
    found = fetch(address, digest, tmp_path / "kept")
    assert verify(found, digest).model == "tiny"
    assert (found / "bundle.sig").read_text() == (bundle / "bundle.sig").read_text()
    before = len(Files.asked)
    assert fetch("http://127.0.0.1:1", digest, tmp_path / "kept") == found
    assert len(Files.asked) == before


def test_a_copy_that_was_damaged_is_fetched_again(
    address: str, bundle: Path, tmp_path: Path
) -> None:
    digest = bundle_digest(bundle)
    found = fetch(address, digest, tmp_path / "kept")
    (found / "model.onnx").write_bytes(b"other")
    assert verify(fetch(address, digest, tmp_path / "kept"), digest)


def test_a_file_address_works_too(bundle: Path, tmp_path: Path) -> None:
    found = fetch(bundle.as_uri(), bundle_digest(bundle), tmp_path / "kept")
    assert verify(found)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda b: (b / "model.onnx").write_bytes(b"x" * (b / "model.onnx").stat().st_size),
         "bundle.corrupt"),
        (lambda b: (b / "golden.json").write_bytes(b"x" * 10_000_000), "fetch.too_large"),
        (lambda b: (b / "reference.json").unlink(), "fetch.failed"),
        (lambda b: (b / "bundle.json").write_text("{}"), "fetch.other_bundle"),
        (lambda b: (b / "bundle.json").write_text(
            json.dumps(json.loads((b / "bundle.json").read_text()) | {"run": "evil"})),
         "fetch.other_bundle"),
    ],
)  # fmt: skip
def test_nothing_else_is_kept(
    address: str, bundle: Path, tmp_path: Path, spoil: Any, code: str
) -> None:
    digest = bundle_digest(bundle)
    spoil(bundle)
    with pytest.raises(HoldfastError) as caught:
        fetch(address, digest, tmp_path / "kept")
    assert caught.value.code == code
    assert not list((tmp_path / "kept").iterdir())


def test_without_a_digest_nothing_is_fetched(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fetch\.no_digest"):
        fetch(address, None, tmp_path)
    assert not Files.asked


def test_an_address_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"fetch\.failed"):
        fetch("http://127.0.0.1:1/x", "sha256:" + "0" * 64, tmp_path)
