import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import NotFoundError, UnavailableError, UsageError
from holdfast.ports.blobs import BlobStore
from holdfast.store.blobs import LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def test_it_is_a_blob_store(blobs: LocalBlobs) -> None:
    port: BlobStore = blobs
    port.put("datasets/a.parquet", b"one")
    port.put("datasets/b.parquet", b"")
    port.put("bundles/x/y/model.onnx", b"two")
    assert port.get("datasets/a.parquet") == b"one"
    assert port.get("datasets/b.parquet") == b""
    assert port.local("bundles/x/y/model.onnx").read_bytes() == b"two"
    assert port.exists("datasets/a.parquet")
    assert not port.exists("datasets")
    assert not port.exists("datasets/c")
    every = ["bundles/x/y/model.onnx", "datasets/a.parquet", "datasets/b.parquet"]
    assert list(port.keys()) == every
    assert list(port.keys("datasets/")) == every[1:]
    assert list(port.keys("datasets/b")) == every[2:]
    assert list(port.keys("data")) == every[1:]
    assert list(port.keys("none/")) == []


def test_what_is_stored_stays(blobs: LocalBlobs) -> None:
    blobs.put("a", b"first")
    blobs.put("a", b"second")
    assert blobs.get("a") == b"first"


def test_a_missing_blob(blobs: LocalBlobs) -> None:
    for read in (blobs.get, blobs.local):
        with pytest.raises(NotFoundError):
            read("nothing")


BAD = ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\b", "a\0b", "a\nb", "..",
       ".staging/x"]  # fmt: skip


@pytest.mark.parametrize("key", BAD)
def test_keys_cannot_escape(blobs: LocalBlobs, key: str) -> None:
    (blobs.root.parent / "x").write_text("secret")
    for use in (blobs.get, blobs.exists, blobs.local, lambda key: blobs.put(key, b"")):
        with pytest.raises(UsageError) as caught:
            use(key)
        assert caught.value.code == "store.blob_key"


def test_links_do_not_lead_out(blobs: LocalBlobs) -> None:
    (blobs.root.parent / "secret").write_text("secret")
    (blobs.root / "link").symlink_to(blobs.root.parent)
    with pytest.raises(UsageError):
        blobs.get("link/secret")


@settings(max_examples=200, deadline=None)
@given(key=st.text(alphabet="ab./\\\0-~ é", max_size=12))
def test_any_key_stays_inside_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    blobs = LocalBlobs(tmp_path_factory.getbasetemp() / "any")
    try:
        blobs.exists(key)
    except UsageError:
        return
    assert (blobs.root / key).resolve().is_relative_to(blobs.root)
    assert (blobs.root / key).resolve() != blobs.root


def test_it_is_private_and_leaves_no_litter(blobs: LocalBlobs) -> None:
    blobs.put("a/b", b"x")
    assert stat.S_IMODE(blobs.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(blobs.local("a/b").stat().st_mode) == 0o600
    assert list((blobs.root / ".staging").iterdir()) == []


def test_a_disk_that_refuses(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space left"):
        blobs.put("a", b"x")
    assert not blobs.exists("a")
    assert list((blobs.root / ".staging").iterdir()) == []


def test_a_file_where_a_folder_must_be(blobs: LocalBlobs) -> None:
    blobs.put("a", b"x")
    with pytest.raises(UnavailableError):
        blobs.put("a/b", b"x")


def test_a_reader_never_sees_half_a_blob(blobs: LocalBlobs) -> None:
    data = os.urandom(4_000_000)
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if blobs.exists("big"):
                seen.append(len(blobs.get("big")))

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=blobs.put, args=("big", data)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert set(seen) <= {len(data)}
    assert blobs.get("big") == data


def test_a_writer_that_is_killed_leaves_nothing_or_all(blobs: LocalBlobs) -> None:
    code = (
        "import os, sys; from pathlib import Path; from holdfast.store.blobs import LocalBlobs\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), 9)\n"
        "LocalBlobs(Path(sys.argv[1])).put('a', b'x')"
    )
    process = subprocess.run([sys.executable, "-c", code, str(blobs.root)], check=False)
    assert process.returncode == -9
    assert not blobs.exists("a")
    assert list(blobs.keys()) == []
    blobs.put("a", b"x")
    assert blobs.get("a") == b"x"
