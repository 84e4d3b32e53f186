"""One segment as its writer holds it open."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from holdfast.recording import segments


class SegmentFile:
    """A new segment, open for appending. Not thread-safe: its spool holds the lock.

    Args:
        path: the file to create; it must not exist.

    Raises:
        OSError: when it cannot be created whole; nothing is left behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = segments.new_identity()
        self.size = 0
        self.spoiled = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._file = os.open(path, flags, 0o600)
        try:
            self.write(segments.header(self.identity))
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    def write(self, data: bytes) -> None:
        """Appends in one system call, whole or not at all.

        Raises:
            OSError: when it was not written; the segment is as it was before. Where not even that
                could be done, ``spoiled`` is set: readers pass over the debris, and nothing more
                may be written to it.
        """
        try:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self.take_back()
            raise
        self.size += written

    def take_back(self, size: int | None = None) -> None:
        """Cuts the file back to ``size``, or to what was written whole."""
        self.size = self.size if size is None else size
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.spoiled = True

    def sync(self) -> None:
        """Puts all of it on the disk.

        Raises:
            OSError: when the disk refused; the segment is spoiled.
        """
        try:
            os.fdatasync(self._file)
        except OSError:
            self.spoiled = True
            raise

    def close(self) -> None:
        """Closes the file; nothing is written any more."""
        with contextlib.suppress(OSError):
            os.close(self._file)
