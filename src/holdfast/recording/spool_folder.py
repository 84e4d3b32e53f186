"""A writer's folder in the spool: taken by one process, and tried when it refused."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from holdfast.errors import ConflictError, UnavailableError
from holdfast.recording import segments
from holdfast.recording.folders import FolderLock

PROBE = "probe"


def claim_folder(folder: Path) -> FolderLock:
    """Takes the folder, made if need be.

    Raises:
        ConflictError: when another process writes there.
        UnavailableError: when the folder cannot be made.
    """
    claim = FolderLock(folder)
    try:
        # The recorder holds a dead writer's lock for the instant in which it clears up.
        for _ in range(100):
            if claim.acquire():
                (folder / PROBE).unlink(missing_ok=True)
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
        f"another server writes to the spool in {folder}",
        "Stop it, or give this server another name with HOLDFAST_SERVER, or a home of its own "
        "with HOLDFAST_HOME.",
    )


def takes(folder: Path, size: int) -> bool:
    """Whether the disk takes that many bytes, tried with a file that is removed again."""
    path = folder / PROBE
    try:
        with path.open("wb", buffering=0) as file:
            if file.write(bytes(size)) != size:
                return False
            os.fdatasync(file.fileno())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return True


def spool_bytes(folder: Path) -> int:
    """Bytes of all segments under a folder of the spool."""
    total = 0
    for path in folder.glob(f"*/*{segments.SUFFIX}"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def segment_numbers(folder: Path) -> list[int]:
    """Numbers of the segments in a writer's folder."""
    return [int(path.stem) for path in folder.glob(f"*{segments.SUFFIX}") if path.stem.isdigit()]
