"""The spool: where a server leaves predictions before it answers."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from holdfast.errors import ConflictError, UnavailableError
from holdfast.recording import segments
from holdfast.recording.folders import FolderLock, sync_folder
from holdfast.recording.segment_file import SegmentFile
from holdfast.records.prediction import PredictionBatch

RETRY_SECONDS = 0.2
RECOUNT_SECONDS = 1.0
SEGMENT_BYTES = 8 * 2**20


class FileSpool:
    """A durable, bounded, append-only queue of predictions in a folder; a ``ports.Spool``.

    Each writer has a folder of its own, ``<folder>/<writer>/00000001.seg``, so that workers never
    wait for each other. A record is one ``write`` to a file opened for appending: when ``append``
    returns it is with the kernel and survives ``kill -9`` of the process; against the loss of
    power it is synchronised each ``fsync_interval`` seconds, or before ``append`` returns.

    Thread-safe; not to be shared with a forked process.

    Args:
        folder: of this server; shared by its workers and read by the recorder.
        limit_bytes: most bytes the segments of all writers in ``folder`` may take while the
            recorder has not deleted them. Other writers are counted once a second.
        fsync_interval: seconds between two synchronisations, or ``"always"``.
        writer: name of this writer in the folder; one of its own by default.
        segment_bytes: size at which a new segment is begun.
        timer: monotonic seconds.

    Raises:
        ConflictError: when another process writes under this name.
        UnavailableError: when the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        *,
        fsync_interval: float | Literal["always"] = 0.05,
        writer: str | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = folder
        self._folder = folder / (writer or f"{os.getpid()}-{os.urandom(4).hex()}")
        self._limit = limit_bytes
        self._segment_bytes = min(segment_bytes, max(limit_bytes // 4, 4096))
        self._timer = timer
        self._always = fsync_interval == "always"
        self._claim = _claim(self._folder)
        self._lock = threading.Lock()
        self._segment: SegmentFile | None = None
        self._retired: list[SegmentFile] = []
        self._number = max(_numbers(self._folder), default=0)
        self._unsynced = False
        self._unnamed = False
        self._closed = False
        self._healthy = True
        self._lost = 0
        self._retry_at = 0.0
        self._recount(timer())
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if not isinstance(fsync_interval, str):
            self._thread = threading.Thread(
                target=self._sync_often, args=(fsync_interval,), name="spool-sync", daemon=True
            )
            self._thread.start()

    def append(self, batch: PredictionBatch) -> bool:
        """Writes one record; on return it survives the death of the process.

        While records cannot be written it is tried again each 0.2 s at most, so that a full disk
        costs the requests in between nothing.

        Returns:
            False when it could not be written (full disk or limit); the loss is counted.
        """
        payload = segments.encode(batch)
        with self._lock:
            now = self._timer()
            if not self._closed and (self._healthy or now >= self._retry_at):
                self._healthy = self._write(payload, now)
                if self._healthy:
                    return True
                self._retry_at = now + RETRY_SECONDS
            self._lost += 1
            return False

    @property
    def healthy(self) -> bool:
        """False while records cannot be written."""
        return self._healthy

    @property
    def lost(self) -> int:
        """Records that could not be written since the start."""
        return self._lost

    @property
    def used(self) -> int:
        """Bytes of all segments in the folder, as last counted."""
        return self._used

    @property
    def folder(self) -> Path:
        """This writer's own folder."""
        return self._folder

    def close(self) -> None:
        """Synchronises, and gives the writer's folder over to the recorder.

        Idempotent; whatever is appended afterwards counts as lost.
        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._closed = True
            self._retire()
        self._sync()
        self._claim.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, payload: bytes, now: float) -> bool:
        size = len(payload) + segments.OVERHEAD_BYTES
        if now >= self._recount_at or self._used + size > self._limit:
            self._recount(now)
        try:
            if self._used + size > self._limit:
                self._seal()
                return False
            segment = self._segment_for(size)
            before = segment.size
            segment.write(segments.frame(payload, segment.identity))
            if self._always:
                self._sync_now(segment, before)
        except OSError:
            return False
        self._used += size
        self._unsynced = True
        return True

    def _segment_for(self, size: int) -> SegmentFile:
        segment = self._segment
        if segment is None or segment.spoiled or self._is_full(segment, size):
            return self._rotate()
        return segment

    def _is_full(self, segment: SegmentFile, size: int) -> bool:
        return segment.size > segments.HEADER_BYTES and segment.size + size > self._segment_bytes

    def _rotate(self) -> SegmentFile:
        """Begins a segment; its existence tells the recorder that the one before is complete."""
        fresh = SegmentFile(self._folder / f"{self._number + 1:08d}{segments.SUFFIX}")
        self._retire()
        self._number += 1
        self._segment = fresh
        self._unnamed = True
        self._used += fresh.size
        return fresh

    def _seal(self) -> None:
        """At the limit: lets the recorder delete what it has drained of the present segment."""
        if self._segment is not None and self._segment.size > segments.HEADER_BYTES:
            self._rotate()

    def _retire(self) -> None:
        """Hands the segment over for synchronising; one that is synchronised is closed at once.

        While it is open its room is not free, even when the recorder has deleted it.
        """
        if self._segment is not None and self._always:
            self._segment.close()
        elif self._segment is not None:
            self._retired.append(self._segment)
        self._segment = None

    def _recount(self, now: float) -> None:
        self._used = spool_bytes(self._root)
        self._recount_at = now + RECOUNT_SECONDS

    def _sync_now(self, segment: SegmentFile, before: int) -> None:
        try:
            segment.sync()
            if self._unnamed:
                sync_folder(self._folder)
                self._unnamed = False
        except OSError:
            segment.take_back(before)
            raise

    def _sync_often(self, interval: float) -> None:
        while not self._stop.wait(interval):
            self._sync()

    def _sync(self) -> None:
        """Synchronises outside the lock, so that appending goes on meanwhile."""
        with self._lock:
            retired, self._retired = self._retired, []
            current = [self._segment] if self._segment and self._unsynced else []
            unnamed, self._unnamed = self._unnamed, False
            self._unsynced = False
        for segment in retired + current:
            with contextlib.suppress(OSError):  # it is spoiled now: the next append begins another
                segment.sync()
        for segment in retired:
            segment.close()
        if unnamed:
            with contextlib.suppress(OSError):
                sync_folder(self._folder)


def spool_bytes(folder: Path) -> int:
    """Bytes of all segments under a folder of the spool."""
    total = 0
    for path in folder.glob(f"*/*{segments.SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob(f"*{segments.SUFFIX}") if path.stem.isdigit()]


def _claim(folder: Path) -> FolderLock:
    claim = FolderLock(folder)
    try:
        # The recorder holds a dead writer's lock for the instant in which it clears up.
        for _ in range(100):
            if claim.acquire():
                return claim
            time.sleep(0.01)
    except OSError as error:
        raise UnavailableError(
            "recording.spool_folder",
            f"the spool cannot be kept in {folder}: {error.strerror}",
            "Make the folder writable, or choose another HOLDFAST_HOME.",
        ) from error
    raise ConflictError(
        "recording.spool_in_use",
        f"another process writes to the spool in {folder}",
        "Give each worker a name of its own, or stop the other server.",
    )
