"""A bundle that was touched is refused before anything of it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.bundle.manifest import (
    bundle_digest,
    may_unpickle,
    read_file,
    read_manifest,
    verify,
)
from holdfast.bundle.predictor import open_bundle
from holdfast.errors import BundleError

Change = Callable[[Path], Any]


def link_out(folder: Path) -> None:
    (folder / "golden.json").unlink()
    (folder / "golden.json").symlink_to("/etc/hostname")


def link_folder(folder: Path) -> None:
    (folder / "native").rename(folder.parent / "elsewhere")
    (folder / "native").symlink_to(folder.parent / "elsewhere")


def listed(path: str) -> Change:
    """Lists another path in bundle.json, as a forger would."""

    def change(folder: Path) -> None:
        manifest = json.loads((folder / "bundle.json").read_bytes())
        manifest["files"][0]["path"] = path
        (folder / "bundle.json").write_text(json.dumps(manifest))

    return change


def twice(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_bytes())
    manifest["files"].append(manifest["files"][0])
    (folder / "bundle.json").write_text(json.dumps(manifest))


TOUCHED: dict[str, Change] = {
    "changed": lambda folder: (folder / "golden.json").write_bytes(b"{}"),
    "same size": lambda folder: (folder / "golden.json").write_bytes(
        (folder / "golden.json").read_bytes().replace(b"0.9", b"0.8")
    ),
    "missing": lambda folder: (folder / "golden.json").unlink(),
    "extra": lambda folder: (folder / "native/more.py").write_text("evil"),
    "hidden": lambda folder: (folder / ".hidden").write_text("evil"),
    "link to a file": link_out,
    "link to a folder": link_folder,
    "pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "parent": listed("../key"),
    "absolute": listed("/etc/passwd"),
    "dotted": listed("native/../golden.json"),
    "backslash": listed("..\\key"),
    "listed twice": twice,
    "not json": lambda folder: (folder / "bundle.json").write_text("{"),
    "no manifest": lambda folder: (folder / "bundle.json").unlink(),
}


@pytest.mark.parametrize("name", sorted(TOUCHED))
def test_a_touched_bundle_is_refused(name: str, seal: Any) -> None:
    folder = seal(estimator=b"\x80\x04never read")
    TOUCHED[name](folder)
    for reading in (verify, lambda path: open_bundle(path, allow_pickle=True)):
        with pytest.raises(BundleError) as caught:
            reading(folder)
        assert caught.value.code in ("bundle.corrupt", "bundle.malformed", "bundle.missing")
        assert caught.value.fix


def test_an_untouched_bundle_passes(seal: Any) -> None:
    folder = seal()
    manifest = verify(folder)
    assert manifest == read_manifest(folder)
    assert manifest.digest == bundle_digest(folder)
    assert [file.path for file in manifest.files] == [
        "golden.json",
        "native/estimator.pkl",
        "native/frame.json",
    ]


def test_another_address_is_refused(seal: Any) -> None:
    with pytest.raises(BundleError, match="has the digest"):
        verify(seal(), "sha256:" + "0" * 64)


def test_only_its_own_key_allows_a_pickle(seal: Any, key: bytes) -> None:
    folder = seal()
    assert may_unpickle(folder, key)
    assert not may_unpickle(folder, bytes(32))
    assert not may_unpickle(folder, None)
    assert not may_unpickle(folder, b"")
    (folder / "bundle.sig").write_bytes(b"\xff\xfe")
    assert not may_unpickle(folder, key)
    (folder / "bundle.sig").unlink()
    assert not may_unpickle(folder, key)


def test_a_key_does_not_sign_a_changed_manifest(seal: Any, key: bytes) -> None:
    folder = seal()
    manifest = msgspec.structs.replace(read_manifest(folder), model="other")
    (folder / "bundle.json").write_bytes(manifest.to_json())
    assert not may_unpickle(folder, key)


def test_a_newer_format_is_named(seal: Any) -> None:
    folder = seal()
    manifest = msgspec.structs.replace(read_manifest(folder), format=3)
    (folder / "bundle.json").write_bytes(manifest.to_json())
    with pytest.raises(BundleError, match="Upgrade"):
        verify(folder)


def test_a_file_swapped_after_the_check_is_not_read(seal: Any) -> None:
    folder = seal()
    manifest = verify(folder)
    (folder / "native/estimator.pkl").write_bytes(b"evil")
    with pytest.raises(BundleError, match="changed"):
        read_file(folder, manifest, "native/estimator.pkl")
    with pytest.raises(BundleError, match="lacks"):
        read_file(folder, manifest, "../../key")
