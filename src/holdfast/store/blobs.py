"""Blobs in a local folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from holdfast.errors import NotFoundError, UnavailableError, UsageError

_STAGING = ".staging"


class LocalBlobs:
    """A folder as a :class:`holdfast.ports.blobs.BlobStore`.

    A blob appears whole or not at all: it is written beside, synced, then renamed.

    Args:
        root: the folder; made, private to the user, when missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        with _disk("opened", str(root)):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, key: str, data: bytes) -> None:
        """Stores atomically and durably; a key that is there is left as it is.

        Raises:
            UsageError: when the key is not a relative POSIX path within the store.
            UnavailableError: when the disk refuses, such as when it is full.
        """
        target = self._path(key)
        if target.is_file():
            return
        with _disk("written", key):
            staging = self.root / _STAGING
            staging.mkdir(mode=0o700, exist_ok=True)
            made = _make_folders(target.parent)
            handle, name = tempfile.mkstemp(dir=staging)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            for folder in (target.parent, *made):
                _sync(folder)

    def get(self, key: str) -> bytes:
        """Reads back.

        Raises:
            NotFoundError: when there is no such key.
            UsageError: when it is not a key.
        """
        file = self.local(key)
        with _disk("read", key):
            return file.read_bytes()

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return self._path(key).is_file()

    def keys(self, prefix: str = "") -> Iterable[str]:
        """All keys that begin with ``prefix``, sorted."""
        return sorted(key for key in self._walk(prefix) if key.startswith(prefix))

    def local(self, key: str) -> Path:
        """The file itself.

        Raises:
            NotFoundError: when there is no such key.
        """
        file = self._path(key)
        if not file.is_file():
            raise NotFoundError("store.no_blob", f"there is no blob '{key}' in {self.root}")
        return file

    def _walk(self, prefix: str) -> Iterator[str]:
        folder, _, _ = prefix.rpartition("/")
        start = self._path(folder) if folder else self.root
        for file in start.rglob("*"):
            key = file.relative_to(self.root).as_posix()
            if file.is_file() and not key.startswith(_STAGING):
                yield key

    def _path(self, key: str) -> Path:
        """The file of a key. Keys may come from manifests, so they are not trusted."""
        parts = key.split("/")
        plain = not any(part in ("", ".", "..") for part in parts)
        if plain and parts[0] != _STAGING and "\\" not in key and key.isprintable():
            path = self.root / PurePosixPath(key)
            # A link inside the folder must not lead out of it either.
            if path.resolve().is_relative_to(self.root):
                return path
        raise UsageError(
            "store.blob_key",
            f"{key!r} is not a key of a blob",
            "Use a relative path of plain names, such as datasets/abc.parquet.",
        )


@contextmanager
def _disk(what: str, key: str) -> Iterator[None]:
    """Turns a refusal of the disk into an error of ours."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            "store.blob_disk",
            f"the blob '{key}' could not be {what}: {error.strerror}",
            "Check the space and permissions of the folder.",
        ) from error


def _make_folders(folder: Path) -> list[Path]:
    """Makes a folder; returns the folders whose listing changed by that."""
    if folder.is_dir():
        return []
    changed = [*_make_folders(folder.parent), folder.parent]
    folder.mkdir(mode=0o700, exist_ok=True)
    return changed


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
