"""Folders of the spool: whose they are, and files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK = "lock"


class FolderLock:
    """An exclusive claim on a folder, gone with the process that holds it.

    Args:
        folder: where the lock file is; created if need be.

    Raises:
        OSError: when the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Takes the claim; False when another holds it, unless told to wait.

        The file is looked at again once it is ours, because its former owner may have removed the
        folder in between; then the claim would be on nothing.
        """
        while self._file is None:
            make_folder(self.folder)
            path = self.folder / LOCK
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            if _same(file, path):
                self._file = file
            else:
                os.close(file)
        return True

    def release(self) -> None:
        """Gives the claim back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Removes the folder we hold, when nothing but the lock is left in it."""
        if [path.name for path in self.folder.iterdir()] == [LOCK]:
            (self.folder / LOCK).unlink()
            self.folder.rmdir()
        self.release()


def _same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable.

    Raises:
        OSError: when the disk refused.
    """
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Makes a folder and those above it, each of which then survives the loss of power.

    Raises:
        OSError: when one of them cannot be made.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=mode, exist_ok=True)
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replaces a file at once: a reader sees the old content or the new, never a part.

    Args:
        path: the file.
        data: its new content.
        durable: also survive the loss of power.

    Raises:
        OSError: when it could not be written; the old content stays.
    """
    partial = path.with_name(f".{path.name}.tmp")
    with partial.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
    if durable:
        sync_folder(path.parent)
