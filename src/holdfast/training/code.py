"""The code version: which code of the project a run used."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from holdfast.records import CodeVersion
from holdfast.spec import FILE_NAME

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}
_GIT_SECONDS = 20


def code_version(root: Path) -> CodeVersion:
    """The git commit of a project when it has one, and a digest of its code files.

    The digest covers the path and content of every ``*.py`` below ``root`` and of
    ``holdfast.toml``, but not of hidden folders and virtual environments.

    Args:
        root: the project's folder.

    Returns:
        ``dirty`` is True when such a file differs from the commit.
    """
    state = hashlib.sha256()
    for path in _files(root):
        state.update(path.relative_to(root).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    changes = None
    if commit is not None:
        what = ("--untracked-files=all", "--", ":(glob)**/*.py", FILE_NAME)
        changes = _git(root, "status", "--porcelain", *what)
    return CodeVersion(
        digest="sha256:" + state.hexdigest(), commit=commit or None, dirty=bool(changes)
    )


def _files(root: Path) -> Iterator[Path]:
    found = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not _skipped(Path(folder, name))]
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    spec = root / FILE_NAME
    if spec.is_file():
        found.append(spec)
    yield from sorted(path for path in found if path.is_file())


def _skipped(folder: Path) -> bool:
    return (
        folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()
    )


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None when git, a repository or its trust is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
