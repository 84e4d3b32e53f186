"""The recorder: drains the spool into the prediction log, each record exactly once.

One batch is a set of ranges of segments. What will be done is written down before it is done
(``Intent``), and everything it writes is named after the ranges. So whenever the recorder dies, the
next one finishes the same ranges under the same names, replacing what was already there::

    intend  →  write log  →  call sinks  →  commit offsets  →  delete drained segments
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

import msgspec
import polars as pl

from holdfast.errors import ConflictError, DataError
from holdfast.ports.clock import Clock
from holdfast.recording import progress as state
from holdfast.recording import segments
from holdfast.recording.folders import FolderLock
from holdfast.recording.frames import frames
from holdfast.recording.inventory import Found, Inventory, inventory, next_ranges, remove_left
from holdfast.recording.log import PredictionLog
from holdfast.recording.progress import Intent, Progress, Range, Status
from holdfast.records.prediction import PredictionBatch

FAULT_POINTS = (
    "collected", "intended", "logged", "sunk", "written", "committed", "deleted", "merged",
)  # fmt: skip

_log = logging.getLogger("holdfast.recording")

Sink = Callable[[pl.DataFrame, str], None]


class Drained(NamedTuple):
    """What one batch did.

    Args:
        rows: rows written to the log.
        lag_bytes: bytes of the spool that are not in the log yet.
        skipped: damaged stretches that were passed over in this batch.
        torn: bytes of unfinished records of dead writers in this batch.
        watermark: latest time of a prediction in the log, seconds since 1970 UTC.
    """

    rows: int
    lag_bytes: int
    skipped: int = 0
    torn: int = 0
    watermark: float | None = None


class Recorder:
    """Drains all segments under a folder; one recorder a folder.

    Args:
        spool_root: folder of a server's spool, or of several; searched for segments.
        log: where the rows go.
        state_folder: where the recorder keeps its progress and ``status.json``. Without its
            progress the segments that are still in the spool would be recorded again.
        clock: the time for ``status.json``.
        sinks: each is called once a batch and model with the rows (columns of the log, and
            ``model``) and a name; called again with the same name and rows after a failure, so it
            must replace what it did under that name.
        fault: called with each of ``FAULT_POINTS`` as it is passed; for tests.

    Raises:
        ConflictError: when another recorder works with this state.
    """

    def __init__(
        self,
        spool_root: Path,
        log: PredictionLog,
        state_folder: Path,
        clock: Clock,
        sinks: Sequence[Sink] = (),
        fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = spool_root
        self._log = log
        self._folder = state_folder
        self._clock = clock
        self._sinks = tuple(sinks)
        self._fault = fault
        self._claim = FolderLock(state_folder)
        if not self._claim.acquire():
            raise ConflictError(
                "recording.recorder_running",
                f"another recorder works with {state_folder}",
                "Stop it, or give this one a state folder and a spool of its own.",
            )
        self._progress = state.load(self._path)
        self._deleted: set[str] = set()
        self._told: set[Path] = set()

    def drain_once(self) -> Drained:
        """Finishes what was begun, or writes the next batch, of at most some 24 MiB of segments.

        Raises:
            OSError: when the log or a segment could not be written or read; the same call later
                goes on where this one stopped.
        """
        with _uncollected():
            return self._drain()

    def _drain(self) -> Drained:
        if self._progress.intent is not None:
            return self._finish(self._progress.intent)
        asked = self._clock.timestamp()
        found = inventory(self._root)
        ranges = next_ranges(self._root, found.segments, self._progress.offsets)
        if not ranges:
            self._delete_drained(found)
            drained = self._drained(found)
            return self._report(drained, found, idle_at=None if drained.lag_bytes else asked)
        self._fault("collected")
        intent = Intent(self._name(ranges), ranges)
        self._save(msgspec.structs.replace(self._progress, intent=intent))
        self._fault("intended")
        return self._finish(intent)

    def run(self, stop: threading.Event, interval: float = 0.25) -> None:
        """Drains until ``stop`` is set; what fails is tried again after ``interval`` seconds.

        Failures are told in ``status.json``.
        """
        while not stop.is_set():
            try:
                drained = self.drain_once()
                if drained.rows and drained.lag_bytes:
                    continue
            except Exception as error:  # noqa: BLE001 - a sink's fault must not end the recording
                self._tell(f"{type(error).__name__}: {error}")
            stop.wait(interval)

    def close(self) -> None:
        """Lets another recorder work with this state."""
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

    @property
    def _path(self) -> Path:
        return self._folder / "progress.json"

    def _save(self, progress: Progress) -> None:
        state.save(self._path, progress)
        self._progress = progress

    def _name(self, ranges: tuple[Range, ...]) -> str:
        identity = hashlib.sha256(msgspec.json.encode(ranges)).hexdigest()[:20]
        return f"{self._progress.recorder}-{identity}"

    def _finish(self, intent: Intent) -> Drained:
        """Writes the ranges of an intent and commits; doing it again changes nothing."""
        scans = [self._read(part) for part in intent.ranges]
        batches = [batch for scan in scans for batch in scan.batches]
        written = self._write(batches, intent.name)
        self._fault("written")
        rows = sum(frame.height for frame in written.values())
        skipped = sum(scan.skipped for scan in scans)
        torn = sum(scan.torn for scan in scans)
        self._commit(intent, batches, rows, skipped, torn)
        self._fault("committed")
        found = inventory(self._root)
        self._delete_drained(found)
        self._merge(written)
        drained = self._drained(found)._replace(rows=rows, skipped=skipped, torn=torn)
        return self._report(drained, found)

    def _drained(self, found: Inventory) -> Drained:
        lag = sum(self._lag(segment) for segment in found.segments)
        return Drained(0, lag, watermark=self._progress.watermark)

    def _read(self, part: Range) -> segments.Scan:
        try:
            return segments.read(self._root / part.path, part.start, part.end)
        except FileNotFoundError:  # somebody cleared the spool by hand
            return segments.Scan([], part.end, skipped=1)

    def _write(self, batches: list[PredictionBatch], name: str) -> dict[str, pl.DataFrame]:
        written = frames(batches)
        for model, frame in written.items():
            self._log.write({model: frame}, name)
            self._fault("logged")
        for model, frame in written.items():
            for sink in self._sinks:
                named = frame.with_columns(model=pl.lit(model))
                sink(named, f"{name}-{quote(model, safe='')}")
                self._fault("sunk")
        return written

    def _commit(
        self, intent: Intent, batches: list[PredictionBatch], rows: int, skipped: int, torn: int
    ) -> None:
        old = self._progress
        offsets = {key: end for key, end in old.offsets.items() if key not in self._deleted}
        offsets.update({part.identity: part.end for part in intent.ranges})
        times = [batch.at for batch in batches]
        if old.watermark is not None:
            times.append(old.watermark)
        self._save(
            Progress(
                recorder=old.recorder,
                offsets=offsets,
                rows=old.rows + rows,
                skipped=old.skipped + skipped,
                torn=old.torn + torn,
                watermark=max(times, default=None),
            )
        )
        self._deleted.clear()

    def _delete_drained(self, found: Inventory) -> None:
        for segment in found.segments:
            if segment.sealed and not self._lag(segment):
                segment.path.unlink(missing_ok=True)
                self._deleted.add(segment.identity)
                self._fault("deleted")
        remove_left(found)

    def _lag(self, segment: Found) -> int:
        start = self._progress.offsets.get(segment.identity, segment.begin)
        return max(segment.size - start, 0)

    def _merge(self, written: dict[str, pl.DataFrame]) -> None:
        """Keeps the number of files small; nothing of an intent is ever merged before its end."""
        for model, frame in written.items():
            days: list[date] = frame["at"].dt.date().unique().to_list()
            for day in days:
                if self._log.merge(model, day, self._progress.recorder) is not None:
                    self._fault("merged")

    def _tell(self, problem: str) -> None:
        with contextlib.suppress(OSError):  # the disk that failed may be the one we tell it on
            found = inventory(self._root)
            self._report(self._drained(found), found, problem)

    def _report(
        self, drained: Drained, found: Inventory, problem: str = "", idle_at: float | None = None
    ) -> Drained:
        for path in set(found.unreadable) - self._told:
            self._told.add(path)
            try:
                segments.read_identity(path)
            except (DataError, OSError) as error:
                _log.error("%s", error)
        done = self._progress
        status = Status(
            at=self._clock.timestamp(),
            lag_bytes=drained.lag_bytes,
            spool_bytes=found.size,
            watermark=done.watermark,
            rows=done.rows,
            skipped=done.skipped,
            torn=done.torn,
            unreadable=len(found.unreadable),
            problem=problem,
            idle_at=idle_at,
        )
        state.save_status(self._folder, status)
        return drained


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile.

    A batch is a million small lists that all live to its end; to look through them for cycles
    again and again takes ten times as long as all the rest.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
