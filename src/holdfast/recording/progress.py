"""How far the recorder has come: one small file, replaced at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from holdfast.errors import DataError
from holdfast.recording.folders import write_whole

UNDER_WAY = 60.0
"""Seconds that a prediction may take from its time stamp to the spool; far more than it does."""


class Range(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of one segment: path below the spool's root, identity (hex), offsets."""

    path: str
    identity: str
    start: int
    end: int


class Intent(msgspec.Struct, frozen=True):
    """What is being written: these ranges, all of them, under this name."""

    name: str
    ranges: tuple[Range, ...]


class Progress(msgspec.Struct, frozen=True):
    """The recorder's whole memory.

    Args:
        recorder: random name of this recorder; the first part of its files' names.
        offsets: by identity of a segment, the offset up to which it is in the log.
        intent: what was begun and is not known to be finished.
        rows: rows written since the beginning.
        skipped: damaged stretches of segments that were passed over.
        torn: bytes of unfinished records at the ends of segments whose writer died.
        watermark: latest time of a prediction in the log, seconds since 1970 UTC.
    """

    recorder: str
    offsets: dict[str, int] = {}
    intent: Intent | None = None
    rows: int = 0
    skipped: int = 0
    torn: int = 0
    watermark: float | None = None


class Status(NamedTuple):
    """What the recorder says of itself in ``status.json``, for metrics.

    Args:
        at: when it was written, seconds since 1970 UTC.
        lag_bytes: bytes of the spool that are not in the log yet.
        spool_bytes: bytes of all segments.
        watermark: latest time of a prediction in the log, seconds since 1970 UTC.
        rows: rows written since the beginning.
        skipped: damaged stretches that were passed over.
        torn: bytes of unfinished records of dead writers.
        unreadable: segments that are of no known format; they stay where they are.
        problem: why the last attempt failed; empty when it did not.
        idle_at: when the spool was last seen to hold nothing that is not in the log; None when it
            does, or the last attempt failed.
    """

    at: float
    lag_bytes: int
    spool_bytes: int
    watermark: float | None
    rows: int
    skipped: int
    torn: int
    unreadable: int
    problem: str = ""
    idle_at: float | None = None


def recorded_until(status: Status) -> float | None:
    """Prediction time up to which everything is in the log; None before the first prediction.

    Time goes on without predictions: an empty spool means that there were none, but for those a
    server has stamped and not yet appended, for which a minute is left. A recorder that is not
    running says nothing, so its time stands still.
    """
    if status.watermark is None or status.idle_at is None:
        return status.watermark
    return max(status.watermark, status.idle_at - UNDER_WAY)


def load(path: Path) -> Progress:
    """Reads the progress; that of a new recorder when there is none.

    Raises:
        DataError: when the file is damaged; going on would write rows twice.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return Progress(recorder=os.urandom(6).hex())
    except msgspec.DecodeError as error:
        raise DataError(
            "recording.progress",
            f"{path} is damaged: {error}",
            "Restore the file; without it the segments still in the spool are recorded again.",
        ) from error


def save(path: Path, progress: Progress) -> None:
    """Replaces the progress durably.

    Raises:
        OSError: when it could not be written; the old one stays.
    """
    write_whole(path, msgspec.json.encode(progress))


def save_status(state_folder: Path, status: Status) -> None:
    """Replaces ``status.json``; the loss of power may lose it.

    Raises:
        OSError: when it could not be written.
    """
    data = msgspec.json.encode(status._asdict())
    write_whole(state_folder / "status.json", data, durable=False)


def read_status(state_folder: Path) -> Status | None:
    """What the recorder with this state folder last said of itself; None before it has."""
    try:
        data = (state_folder / "status.json").read_bytes()
    except FileNotFoundError:
        return None
    return Status(**msgspec.json.decode(data))
