"""The segment: the versioned file format of the spool.

A segment is a header and records, little-endian::

    header   8 bytes  b"HOLDFAST"
             1 byte   format version, 3
             8 bytes  random identity of the segment
             4 bytes  CRC-32 of the above
    record   4 bytes  marker: the first bytes of the identity
             4 bytes  length of the payload
             4 bytes  CRC-32 of the payload, seeded with its length
             n bytes  payload: a PredictionBatch in MessagePack

The identity makes a range of a segment unique for ever, although numbers of segments start again.
The marker lets a reader find the next record behind a damaged one; because it is random, no caller
can plant one in a request. A segment of another version, or with a damaged header, is left on the
disk: its records could be recorded twice under a wrong identity.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from holdfast.errors import DataError
from holdfast.records.prediction import PredictionBatch

MAGIC = b"HOLDFAST"
VERSION = 3
SUFFIX = ".seg"

_start = struct.Struct("<8sB8s")
_record = struct.Struct("<4sII")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PredictionBatch)

HEADER_BYTES = _start.size + 4
OVERHEAD_BYTES = _record.size


class Scan(NamedTuple):
    """What a stretch of a segment holds.

    Args:
        batches: the records, in the order in which they were written.
        end: offset behind the last byte that was understood; where to go on.
        skipped: damaged stretches between records that were passed over.
        torn: bytes from ``end`` to the end of the stretch: the tail of a record whose writer was
            stopped, or is still at it.
    """

    batches: list[PredictionBatch]
    end: int
    skipped: int = 0
    torn: int = 0


def new_identity() -> bytes:
    """The random identity of a new segment, 8 bytes."""
    return os.urandom(8)


def header(identity: bytes) -> bytes:
    """The header of a segment.

    >>> len(header(b"12345678")) == HEADER_BYTES
    True
    """
    start = _start.pack(MAGIC, VERSION, identity)
    return start + zlib.crc32(start).to_bytes(4, "little")


def encode(batch: PredictionBatch) -> bytes:
    """The payload of one record."""
    return _encoder.encode(batch)


def frame(payload: bytes, identity: bytes) -> bytes:
    """One record, as :func:`frames` has it."""
    return frames([payload], identity)


def frames(payloads: Iterable[bytes], identity: bytes) -> bytes:
    """Records, ready to be written in one piece.

    >>> len(frames([b"abc", b"de"], b"12345678")) == 2 * OVERHEAD_BYTES + 5
    True
    """
    marker = identity[:4]
    parts: list[bytes] = []
    for payload in payloads:
        size = len(payload)
        parts += _record.pack(marker, size, zlib.crc32(payload, size)), payload
    return b"".join(parts)


class Header(NamedTuple):
    """The header of a segment: its identity, and the bytes it takes."""

    identity: bytes
    size: int


def read_identity(path: Path) -> bytes | None:
    """The identity of a segment; None while its header is not whole yet.

    Raises:
        DataError: as :func:`read_header`.
    """
    found = read_header(path)
    return None if found is None else found.identity


def read_header(path: Path) -> Header | None:
    """The header of a segment; None while it is not whole yet.

    Raises:
        DataError: when the file is no segment, is damaged there, or of a format this release does
            not know.
    """
    with path.open("rb") as file:
        return _parse_header(file.read(HEADER_BYTES), path)


def _parse_header(data: bytes, path: Path) -> Header | None:
    if len(data) < _start.size:
        return None
    magic, version, identity = _start.unpack_from(data)
    if magic != MAGIC:
        raise DataError(
            "recording.no_segment",
            f"{path} is not a segment of the spool",
            "Move the file out of the spool; its records cannot be read.",
        )
    if version == 1:  # without the checksum
        return Header(identity, _start.size)
    if version not in (2, VERSION):  # 2 has no records with a block
        raise DataError(
            "recording.segment_version",
            f"{path} has segment format {version}; this release reads up to {VERSION}",
            "Run the recorder of the release that wrote it.",
        )
    if len(data) < HEADER_BYTES:
        return None
    if int.from_bytes(data[_start.size :], "little") != zlib.crc32(data[: _start.size]):
        raise DataError(
            "recording.damaged_header",
            f"the header of {path} is damaged, so its records cannot be told from recorded ones",
            "Move the file out of the spool; look for damage of the disk.",
        )
    return Header(identity, HEADER_BYTES)


def read(path: Path, start: int = 0, end: int | None = None) -> Scan:
    """Reads the records between two offsets.

    Args:
        path: the segment.
        start: offset to begin at; 0 is the first record.
        end: offset to end at; the end of the file by default.

    Raises:
        DataError: when the file is no segment of a known format.
        OSError: when it cannot be read.
    """
    payloads, scan = _scan(path, start, end)
    batches = [_decode(payload) for payload in payloads]
    sound = [batch for batch in batches if batch is not None]
    return scan._replace(batches=sound, skipped=scan.skipped + len(batches) - len(sound))


def measure(path: Path, start: int, end: int) -> Scan:
    """Finds the ends of the records between two offsets, without decoding them.

    Returns:
        As of :func:`read`, with no batches.

    Raises:
        DataError: when the file is no segment of a known format.
        OSError: when it cannot be read.
    """
    return _scan(path, start, end)[1]


def _scan(path: Path, start: int, end: int | None) -> tuple[list[memoryview], Scan]:
    with path.open("rb") as file:
        found = _parse_header(file.read(HEADER_BYTES), path)
        if found is None:
            return [], Scan([], start)
        start = max(start, found.size)
        file.seek(start)
        data = file.read() if end is None else file.read(max(end - start, 0))
    payloads, position, skipped = _split(data, found.identity[:4])
    return payloads, Scan([], start + position, skipped, len(data) - position)


def _split(data: bytes, marker: bytes) -> tuple[list[memoryview], int, int]:
    """The payloads, the offset behind the last, and the damaged stretches between them."""
    view = memoryview(data)
    payloads: list[memoryview] = []
    position = skipped = 0
    while position < len(data):
        following = _whole(view, position, marker)
        if following is not None:
            payloads.append(view[position + OVERHEAD_BYTES : following])
            position = following
            continue
        found = _resynchronise(data, position + 1, marker)
        if found is None:
            break
        skipped += 1
        position = found
    return payloads, position, skipped


def _whole(data: memoryview, position: int, marker: bytes) -> int | None:
    """Offset behind the record at ``position``, when there is a whole and sound one."""
    begin = position + OVERHEAD_BYTES
    if begin > len(data):
        return None
    found, size, checksum = _record.unpack_from(data, position)
    end = begin + int(size)
    if found != marker or end > len(data):
        return None
    return end if zlib.crc32(data[begin:end], size) == checksum else None


def _resynchronise(data: bytes, position: int, marker: bytes) -> int | None:
    """Offset of the next sound record, if there is one."""
    view = memoryview(data)
    while (position := data.find(marker, position)) >= 0:
        if _whole(view, position, marker) is not None:
            return position
        position += 1
    return None


def _decode(payload: memoryview) -> PredictionBatch | None:
    """The record; None when it is of a kind this release does not know, or has ragged columns."""
    try:
        batch = _decoder.decode(payload)
    except msgspec.DecodeError:
        return None
    return batch if batch.sound else None
