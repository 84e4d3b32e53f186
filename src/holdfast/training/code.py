"""The code version: which code of the project a run used."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from holdfast.records import CodeVersion
from holdfast.spec import FILE_NAME, Spec
from holdfast.training.imports import files_of

_GIT_SECONDS = 20


def code_version(spec: Spec) -> CodeVersion:
    """The git commit of a project when it has one, and a digest of its training code.

    The digest covers path and content of the files that the callables of ``[model] train`` and
    ``[data] source`` are in, of what these import from the project, and of ``[model] code``; and
    of ``holdfast.toml`` what a training can tell: ``[data]``, task, callable, window, redaction. A
    README, a test, a notebook or a threshold of the monitor makes no new code.

    Args:
        spec: the project.

    Returns:
        ``dirty`` is True when such a file differs from the commit.
    """
    files = code_files(spec)
    state = hashlib.sha256(_settings(spec))
    for path in files:
        state.update(path.relative_to(spec.root).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    commit = _git(spec.root, "rev-parse", "--verify", "HEAD")
    return CodeVersion(
        digest="sha256:" + state.hexdigest(),
        commit=commit or None,
        dirty=bool(commit is not None and _changed(spec.root, files)),
    )


def code_files(spec: Spec) -> tuple[Path, ...]:
    """The files of the project that a training uses, sorted."""
    targets = [spec.model.train]
    module, _, name = spec.data.source.partition(":")
    if name.isidentifier():
        targets.append(f"{module}:{name}")
    found = set(files_of([target.partition(":")[0] for target in targets], spec.root))
    for pattern in spec.model.code:
        found |= {path for path in spec.root.glob(pattern) if path.is_file()}
    return tuple(sorted(found))


def _settings(spec: Spec) -> bytes:
    model = spec.model
    used = [
        model.task, model.train, model.positive, model.frame, spec.data, spec.retrain.window,
        sorted(spec.record.redact.items()),
    ]  # fmt: skip
    return msgspec.json.encode(used, order="sorted")


def _changed(root: Path, files: Sequence[Path]) -> str | None:
    """What of the code differs from the commit, as git says it."""
    names = [f":(literal){path.relative_to(root).as_posix()}" for path in files]
    return _git(root, "status", "--porcelain", "--untracked-files=all", "--", FILE_NAME, *names)


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
