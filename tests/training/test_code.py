from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from holdfast.training.code import code_version


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Neither the machine's settings nor a repository above may play a part.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "train.py").write_text("a = 1")
    (folder / "sub" / "more.py").write_text("b = 1")
    (folder / "holdfast.toml").write_text("")
    return folder


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def test_without_git_there_is_a_digest(root: Path) -> None:
    version = code_version(root)

    assert version.commit is None
    assert not version.dirty
    assert version.digest.startswith("sha256:")


@pytest.mark.parametrize("name", ["train.py", "sub/more.py", "holdfast.toml", "new.py"])
def test_code_counts(root: Path, name: str) -> None:
    before = code_version(root).digest

    (root / name).write_text("changed")

    assert code_version(root).digest != before


@pytest.mark.parametrize("name", ["data.csv", ".holdfast/x.py", "env/x.py", "__pycache__/x.py"])
def test_everything_else_does_not(root: Path, name: str) -> None:
    (root / "env").mkdir()
    (root / "env" / "pyvenv.cfg").touch()
    before = code_version(root).digest

    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("x")

    assert code_version(root).digest == before


def test_moving_code_counts_and_moving_the_project_does_not(root: Path) -> None:
    before = code_version(root).digest
    root.rename(root.parent / "moved")

    assert code_version(root.parent / "moved").digest == before
    (root.parent / "moved" / "train.py").rename(root.parent / "moved" / "other.py")
    assert code_version(root.parent / "moved").digest != before


def test_the_commit_and_whether_code_differs_from_it(root: Path) -> None:
    _git(root, "init")
    assert code_version(root).commit is None
    _git(root, "add", ".")
    _git(root, "commit", "-m", "first")

    (root / "data.csv").write_text("not code")
    clean = code_version(root)
    (root / "sub" / "more.py").write_text("b = 2")
    changed = code_version(root)

    assert clean.commit is not None
    assert len(clean.commit) == 40
    assert not clean.dirty
    assert changed.commit == clean.commit
    assert changed.dirty


def test_new_code_is_dirty(root: Path) -> None:
    _git(root, "init")
    _git(root, "add", ".")
    _git(root, "commit", "-m", "first")

    (root / "sub" / "new.py").write_text("")

    assert code_version(root).dirty
