"""Whose a folder is: that of one replay, and of one process at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from holdfast.errors import ConflictError, DataError
from holdfast.recording.folders import LOCK, FolderLock, write_whole

ORDER = "order.json"


def claim(folder: Path, key: str, *, fresh: bool) -> FolderLock:
    """Makes a folder that of one replay, and of this process until the lock is released.

    Args:
        folder: made if need be.
        key: digest of all that the replay depends on.
        fresh: throw away what is there, whatever replay it is of.

    Raises:
        ConflictError: when it holds something else, or another process works in it.
        DataError: when its mark is damaged.
    """
    mark = folder / ORDER
    if not mark.exists() and folder.exists() and {one.name for one in folder.iterdir()} - {LOCK}:
        raise ConflictError(
            "replay.not_empty",
            f"{folder} is not empty, and holds no replay",
            "Name another folder with --out.",
        )
    if mark.exists() and not fresh and _marked(mark) != key:
        raise ConflictError(
            "replay.other",
            f"{folder} holds a replay of other data, code or options",
            "Name another folder with --out, or begin anew with --fresh.",
        )
    lock = FolderLock(folder)
    if not lock.acquire():
        raise ConflictError(
            "replay.running",
            f"another process goes through the replay in {folder}",
            "Wait for it, or name another folder with --out.",
        )
    if fresh:
        for one in folder.iterdir():
            if one.is_dir():
                shutil.rmtree(one)
            elif one.name != LOCK:
                one.unlink()
    write_whole(mark, msgspec.json.encode({"replay": key}))
    return lock


def _marked(mark: Path) -> str:
    try:
        return str(msgspec.json.decode(mark.read_bytes())["replay"])
    except (msgspec.DecodeError, KeyError):
        raise DataError(
            "replay.damaged", f"{mark} is damaged", "Begin anew with --fresh."
        ) from None
