"""The spool: where a server leaves predictions before it answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from holdfast.recording import segments
from holdfast.recording.folders import sync_folder
from holdfast.recording.segment_file import SegmentFile
from holdfast.recording.spool_folder import claim_folder, segment_numbers, spool_bytes, takes
from holdfast.recording.waiter import Waiter
from holdfast.records.prediction import PredictionBatch

RETRY_SECONDS = 0.2
RECOUNT_SECONDS = 1.0
SEGMENT_BYTES = 8 * 2**20
PROBE_BYTES = 64 * 1024  # one request too large for the disk must not shut out small ones


class FileSpool:
    """A durable, bounded, append-only queue of predictions in a folder; a ``ports.Spool``.

    Each writer has a folder of its own, ``<folder>/<writer>/00000001.seg``, so that workers never
    wait for each other. A record is one ``write`` to a file opened for appending: when ``append``
    returns it is with the kernel and survives ``kill -9`` of the process. A thread synchronises
    it to disk against the loss of power, and looks whether a disk that refused has recovered.

    Thread-safe, but for ``synced``, which belongs to the thread that appends. Not to be shared
    with a forked process.

    Args:
        folder: of this server; shared by its workers and read by the recorder.
        limit_bytes: most bytes the segments of all writers in ``folder`` may take while the
            recorder has not deleted them. Other writers are counted once a second.
        fsync_interval: seconds between two synchronisations; with ``"always"`` one begins as soon
            as somebody waits in ``synced``, for all that were appended until then.
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
        self._interval = fsync_interval
        self._claim = claim_folder(self._folder)
        self._lock = threading.Lock()
        self._segment: SegmentFile | None = None
        self._retired: list[SegmentFile] = []
        self._number = max(segment_numbers(self._folder), default=0)
        self._unsynced = self._unnamed = self._closed = False
        self._healthy = True
        self._lost = 0
        self._written = 0  # records; the last of them whose synchronisation failed:
        self._refused = -1
        self._waiting: list[Waiter] = []
        self._tell: Callable[[int, bool], None] = lambda _used, _healthy: None
        self._wanted = 0
        self._retry_at = 0.0
        self._recount(timer())
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._tend, name="spool", daemon=True)
        self._thread.start()

    def append(self, batch: PredictionBatch) -> bool:
        """Writes one record, as :meth:`extend` does."""
        return self.extend([batch])

    def extend(self, batches: Sequence[PredictionBatch]) -> bool:
        """Writes records in one piece; on return they survive the death of the process.

        Once some could not be written all are refused, so that a full disk costs requests nothing,
        until the thread finds that there is room again; it looks each 0.2 s.

        Returns:
            False when they could not be written (full disk or limit); the loss is counted.
        """
        payloads = list(map(segments.encode, batches))
        with self._lock:
            now = self._timer()
            if not self._closed and self._healthy:
                self._healthy = self._write(payloads, now)
                if self._healthy:
                    self._written += len(payloads)
                    return True
                self._retry_at = now + RETRY_SECONDS
            self._lost += len(payloads)
            return False

    def synced(self) -> Awaitable[bool] | None:
        """With ``"always"``: what to wait for until all that was appended is on the disk.

        Returns:
            None without; else False when the disk refused; the record may be logged nevertheless.
        """
        return self._synchronised() if self._interval == "always" else None

    async def _synchronised(self) -> bool:
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop, loop.create_future())
        with self._lock:
            if self._closed or self._written <= self._refused:
                self._lost += 1
                return False
            self._waiting.append(waiter)
        self._wake.set()
        return await waiter.future

    def watch(self, tell: Callable[[int, bool], None]) -> None:
        """Calls ``tell`` with the bytes in use and the health, each 0.2 s at least."""
        self._tell = tell
        tell(self._used, self._healthy)

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
        self._wake.set()
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

    def _write(self, payloads: Sequence[bytes], now: float) -> bool:
        overhead = segments.OVERHEAD_BYTES * len(payloads) + segments.HEADER_BYTES
        size = sum(map(len, payloads)) + overhead
        self._wanted = min(size, PROBE_BYTES)
        if now >= self._recount_at or self._used + size > self._limit:
            self._recount(now)
        try:
            if self._used + size > self._limit:
                self._seal()
                return False
            segment = self._segment_for(size)
            before = segment.size
            segment.write(segments.frames(payloads, segment.identity))
        except OSError:
            self._seal()
            return False
        self._used += segment.size - before
        self._unsynced = True
        return True

    def _segment_for(self, size: int) -> SegmentFile:
        segment = self._segment
        full = segment and segment.size and segment.size + size > self._segment_bytes
        return self._rotate() if segment is None or segment.spoiled or full else segment

    def _rotate(self) -> SegmentFile:
        """Begins a segment; its existence tells the recorder that the one before is complete."""
        fresh = SegmentFile(self._folder / f"{self._number + 1:08d}{segments.SUFFIX}")
        if self._segment is not None:
            self._retire()
        self._number += 1
        self._segment = fresh
        self._unnamed = True
        return fresh

    def _seal(self) -> None:
        """Nothing fits: lets the recorder delete what it has drained of the present segment."""
        if self._segment is not None and self._segment.size:
            with contextlib.suppress(OSError):
                self._rotate()

    def _retire(self) -> None:
        """Hands the segment over to be synchronised and closed.

        While it is open its room is not free, even when the recorder has deleted it.
        """
        if self._segment is not None:
            self._retired.append(self._segment)
        self._segment = None

    def _recount(self, now: float) -> None:
        self._used = spool_bytes(self._root)
        self._recount_at = now + RECOUNT_SECONDS

    def _tend(self) -> None:
        """The thread: synchronises when it is time or somebody waits, and sees to the health."""
        due = time.monotonic()
        interval = RETRY_SECONDS if isinstance(self._interval, str) else self._interval
        while not self._stop.is_set():
            self._wake.wait(min(max(due - time.monotonic(), 0.0), RETRY_SECONDS))
            self._wake.clear()
            now = time.monotonic()
            if now >= due or self._waiting:
                due = now + interval
                self._sync()
            with contextlib.suppress(OSError):  # whatever the disk does, the thread goes on
                self._probe()
            self._tell(self._used, self._healthy)

    def _sync(self) -> None:
        """Synchronises outside the lock, so that appending goes on meanwhile."""
        with self._lock:
            retired, self._retired = self._retired, []
            current = [self._segment] if self._segment and self._unsynced else []
            unnamed, self._unnamed = self._unnamed, False
            self._unsynced = False
            waiting, self._waiting = self._waiting, []
            written = self._written
        try:
            failed = False
            for segment in retired + current:
                failed |= not segment.sync()
            if unnamed:
                sync_folder(self._folder)
        except OSError:
            failed = True
        for segment in retired:
            segment.close()
        with self._lock:
            if failed:
                # What could not be synchronised is spoiled: the next append begins another segment.
                self._unnamed |= unnamed
                self._refused, self._healthy = written, False
                self._retry_at = self._timer() + RETRY_SECONDS
                self._lost += len(waiting)
        for waiter in waiting:
            waiter.tell(done=not failed)

    def _probe(self) -> None:
        """Finds out whether a spool that refused would take a record again.

        Without this it would not be known: no traffic comes to a server that is not ready.
        """
        with self._lock:
            now = self._timer()
            if now >= self._recount_at:
                self._recount(now)
            if self._healthy or now < self._retry_at:
                return
            self._retry_at = now + RETRY_SECONDS
            self._recount(now)
            wanted = self._wanted
            fits = self._used + wanted <= self._limit
        healthy = fits and takes(self._folder, wanted)
        with self._lock:
            self._healthy |= healthy
