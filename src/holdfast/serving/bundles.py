"""Copies of bundles on this machine, so that a server starts when their source is away."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from holdfast.bundle.manifest import verify
from holdfast.errors import BundleError
from holdfast.records import Arm

_log = logging.getLogger("holdfast.serving")
_YOUNG = 600.0


class BundleCache:
    """``serve/bundles/<digest>``: each copy appears whole and verified, or not at all.

    Whoever opens a copy verifies it again; one that was damaged is thrown away and copied anew.

    Args:
        folder: made with mode 0700; workers and servers of one home share it.
        limit: bytes that copies which no route needs may take.
    """

    def __init__(self, folder: Path, *, limit: int = 2**30) -> None:
        self._folder = folder
        self._limit = limit

    def fetch(self, arm: Arm) -> Path:
        """The folder of a verified copy, copied first if need be.

        A disk that fails costs the next cold start, not this one: then it is the source itself.

        Raises:
            BundleError: when there is no sound copy, and the source is not sound either.
        """
        kept = self._folder / arm.bundle.removeprefix("sha256:")
        if kept.is_dir():
            try:
                verify(kept, arm.bundle)
                os.utime(kept)
                return kept
            except (BundleError, OSError) as error:
                _log.warning("a cached bundle is thrown away: %s", error)
                shutil.rmtree(kept, ignore_errors=True)
        source = Path(arm.path)
        try:
            return self._copy(source, kept, arm.bundle)
        except OSError as error:
            _log.warning("the bundle %s cannot be kept: %s", kept.name, type(error).__name__)
            return source  # if it is away too, opening it will say so

    def tidy(self, needed: Collection[str]) -> None:
        """Deletes copies that no route needs, the longest unused first, down to the limit.

        Args:
            needed: digests that routes name.
        """
        with contextlib.suppress(OSError):
            spare = [
                (path.stat().st_mtime, _size(path), path)
                for path in self._folder.iterdir()
                if f"sha256:{path.name}" not in needed
            ]
            total = sum(size for _, size, _ in spare)
            for used, size, path in sorted(spare):
                # A young one may belong to a worker that has not written its routes yet.
                if total <= self._limit or time.time() - used < _YOUNG:
                    return
                shutil.rmtree(path, ignore_errors=True)
                total -= size

    def _copy(self, source: Path, kept: Path, digest: str) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._folder, prefix=".draft-"))
        try:
            shutil.copytree(source, draft, dirs_exist_ok=True, copy_function=_copy_synced)
            verify(draft, digest)
            try:
                draft.rename(kept)
            except OSError:
                if not kept.is_dir():  # else another worker was faster
                    raise
            return kept
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _copy_synced(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    with Path(target).open("rb") as file:
        os.fsync(file.fileno())


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
