"""Targets by entry point, the version that is meant, and files on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.errors import BundleError, ConflictError, NotFoundError, UsageError
from holdfast.loop.rendering import (
    find_build,
    find_target,
    subject_of_bundle,
    subject_of_version,
    target_names,
    write,
)
from holdfast.ports.rendering import Rendering


def test_targets_are_found_and_well_formed() -> None:
    assert {"compose", "docker"} <= set(target_names())
    for name in target_names():
        target = find_target(name)
        assert target.summary.endswith(".")
        assert target.example.startswith(f"holdfast render {name} ")
        target.options()  # every option has a default
        assert issubclass(target.options, msgspec.Struct)
    assert callable(find_build("docker"))


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"'nomad' \(render\.no_target\)"):
        find_target("nomad")


def test_the_live_version_is_meant(live: Any) -> None:
    assert subject_of_version(live.container, "tiny", None).version.number == 1  # type: ignore[union-attr]
    assert subject_of_version(live.container, "tiny", 2).version.number == 2  # type: ignore[union-attr]


def test_before_a_release_the_newest_is_meant(trained: Any) -> None:
    subject = subject_of_version(trained.container, "tiny", None)
    assert subject.version is not None
    assert subject.version.number == 3
    assert subject.trusted  # this installation sealed it


def test_before_a_training_there_is_none(untrained: Any) -> None:
    with pytest.raises(NotFoundError, match=r"render\.no_version"):
        subject_of_version(untrained.container, "tiny", None)


def test_an_unknown_version_is_named(trained: Any) -> None:
    with pytest.raises(NotFoundError, match=r"registry\.no_version"):
        subject_of_version(trained.container, "tiny", 9)


def test_a_bundle_of_others_is_verified_and_not_trusted(trained: Any, tmp_path: Path) -> None:
    made = Path(trained.container.registry.version("tiny", 1).bundle_path)
    assert not subject_of_bundle(made, key=b"x" * 32).trusted
    assert subject_of_bundle(made, key=b"x" * 32, allow_pickle=True).trusted
    (made / "golden.json").write_text("{}")
    with pytest.raises(BundleError, match=r"bundle\.corrupt"):
        subject_of_bundle(made)


def test_files_are_readable_by_all_whatever_the_umask(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "model").write_bytes(b"m")
    (source / "inner" / "model").chmod(0o600)
    files = {"a.txt": "text", "b.bin": b"bytes", "deep/c.txt": "c", "bundle": source}
    before = os.umask(0o077)
    try:
        written = write(Rendering(files=files), tmp_path / "out")
    finally:
        os.umask(before)
    assert written == ["a.txt", "b.bin", "bundle", "deep/c.txt"]
    assert (tmp_path / "out" / "bundle" / "inner" / "model").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "out" / "bundle" / "inner").stat().st_mode & 0o777 == 0o755


def test_an_earlier_rendering_is_replaced_and_other_files_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(Rendering(files={"old.txt": "1", "same.txt": "1"}), folder)
    (folder / "mine.txt").write_text("keep")
    write(Rendering(files={"same.txt": "2"}), folder)
    assert not (folder / "old.txt").exists()
    assert (folder / "same.txt").read_text() == "2"
    assert (folder / "mine.txt").read_text() == "keep"


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConflictError, match=r"render\.not_ours"):
        write(Rendering(files={"thesis.tex": ""}), tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_marker_cannot_lead_outside(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".holdfast-render").write_text('["../precious"]')
    write(Rendering(files={"a": "1"}), folder)
    assert (tmp_path / "precious").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"render\.folder"):
        write(Rendering(files={"a": "1"}), tmp_path / "file" / "out")
