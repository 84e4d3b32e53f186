"""One segment as its writer holds it open."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from holdfast.recording import segments


class SegmentFile:
    """A new segment, open for appending. Not thread-safe: its spool holds the lock.

    The file begins empty, as a full disk still has room for a name: the header comes with the
    first record.

    Args:
        path: the file to create; it must not exist.

    Raises:
        OSError: when it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = segments.new_identity()
        self.size = 0
        self.spoiled = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._file = os.open(path, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Appends in one system call, whole or not at all.

        Raises:
            OSError: when it was not written; the segment is as it was before. Where not even that
                could be done, ``spoiled`` is set: readers pass over the debris, and nothing more
                may be written to it.
        """
        if not self.size:
            data = segments.header(self.identity) + data
        try:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self.take_back()
            raise
        self.size += written

    def take_back(self) -> None:
        """Cuts the file back to what was written whole."""
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.spoiled = True

    def sync(self) -> bool:
        """Puts all of it on the disk; False when that failed, and the segment is spoiled."""
        try:
            os.fdatasync(self._file)
        except OSError:
            self.spoiled = True
            return False
        return True

    def close(self) -> None:
        """Closes the file; nothing is written any more."""
        with contextlib.suppress(OSError):
            os.close(self._file)
