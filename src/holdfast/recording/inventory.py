"""What lies in the spool: segments, and which of them nobody writes any more."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import DataError
from holdfast.recording import segments
from holdfast.recording.folders import LOCK, FolderLock
from holdfast.recording.progress import Range

BATCH_BYTES = 16 * 2**20  # some 50,000 rows


class Found(NamedTuple):
    """One segment.

    Args:
        path: of the file.
        identity: hexadecimal; empty while the header is not whole.
        size: bytes.
        sealed: nobody writes to it any more, so ``size`` is final.
        begin: offset of the first record.
    """

    path: Path
    identity: str
    size: int
    sealed: bool
    begin: int


class Inventory(NamedTuple):
    """All segments under a folder, oldest first.

    Args:
        segments: those that can be read.
        unreadable: files that are no segments of a known format.
        left: folders of dead writers without any segment.
    """

    segments: list[Found]
    unreadable: list[Path]
    left: list[Path]

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(found.size for found in self.segments)


def inventory(root: Path) -> Inventory:
    """Looks through a spool, or through the spools of several servers in one folder."""
    result = Inventory([], [], [])
    for folder, names in _writers(root):
        alive = _is_alive(folder)
        if not alive and not names:
            result.left.append(folder)
        for name in names:
            # Sizes are read after it is known who writes: then those of sealed segments are final.
            _look(folder / name, result, sealed=not alive or name != names[-1])
    result.segments.sort(key=lambda found: (found.path.name, str(found.path)))
    return result


def next_ranges(
    root: Path, found: Sequence[Found], offsets: Mapping[str, int]
) -> tuple[Range, ...]:
    """What to record next: of one segment, or of several until ``BATCH_BYTES`` are reached.

    Args:
        root: folder that the paths of ranges are relative to.
        found: segments, oldest first.
        offsets: by identity, up to where a segment is recorded.
    """
    ranges: list[Range] = []
    total = 0
    for segment in found:
        start = offsets.get(segment.identity, segment.begin)
        if total >= BATCH_BYTES or start >= segment.size:
            continue
        scan = segments.measure(segment.path, start, segment.size)
        # The tail of a segment nobody writes any more will never become whole.
        end = scan.end + scan.torn if segment.sealed else scan.end
        if end > start:
            total += end - start
            path = str(segment.path.relative_to(root))
            ranges.append(Range(path, segment.identity, start, end))
    return tuple(ranges)


def remove_left(found: Inventory) -> None:
    """Removes the empty folders of dead writers."""
    for folder in found.left:
        claim = FolderLock(folder)
        if claim.acquire():
            claim.remove()


def _writers(root: Path) -> Iterator[tuple[Path, list[str]]]:
    for folder, _, names in os.walk(root):
        ours = sorted(name for name in names if name.endswith(segments.SUFFIX))
        if ours or LOCK in names:
            yield Path(folder), ours


def _look(path: Path, result: Inventory, *, sealed: bool) -> None:
    try:
        size = path.stat().st_size
        header = segments.read_header(path)
    except FileNotFoundError:
        return
    except DataError:
        result.unreadable.append(path)
        return
    if header is None:
        result.segments.append(Found(path, "", size, sealed, begin=size))
    else:
        result.segments.append(Found(path, header.identity.hex(), size, sealed, header.size))


def _is_alive(folder: Path) -> bool:
    """Whether a writer holds the folder's lock."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
