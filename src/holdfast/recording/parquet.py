"""Folders of Parquet files: written whole, merged, and read as one table.

Many small files are merged into larger ones without a lock. A merged file carries the names of the
files it replaces in its own metadata; it appears by one rename, and from that moment readers leave
those files out. The replaced files are deleted only ``GRACE_SECONDS`` later, so that a reader that
has listed the folder before still finds them. So no row is ever missing or there twice for readers
that list with :func:`live_files`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from holdfast.recording.folders import make_folder, sync_folder
from holdfast.recording.values import vector_text

GRACE_SECONDS = 120.0
FAN_IN = 32
LARGEST_BYTES = 256 * 2**20

Fewer = Callable[[pl.DataFrame], pl.DataFrame]

_REPLACES = "holdfast.replaces"
_MERGED = re.compile(r"^(?P<owner>[a-z0-9]+)-m(?P<level>\d+)-[0-9a-f]+\.parquet$")


def write(frame: pl.DataFrame, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a file that appears whole or not at all, and survives the loss of power.

    Raises:
        OSError: when it could not be written.
    """
    make_folder(path.parent, mode=0o777)
    partial = path.with_name(f".{path.name}.tmp")
    frame.write_parquet(partial, compression="zstd", metadata=dict(metadata or {}))
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def live_files(folder: Path) -> list[Path]:
    """The files of a folder that hold its rows, each row once; sorted by name."""
    names = _names(folder)
    replaced: set[str] = set()
    for name in names:
        replaced.update(replaces(folder / name))
    return [folder / name for name in names if name not in replaced]


def scan(
    files: Sequence[Path],
    schema: Mapping[str, pl.DataType] | None = None,
    *,
    only: bool = False,
) -> pl.LazyFrame:
    """All files as one table, whatever columns and types each has.

    A column's type is the narrowest that holds all files' values; a file without the column counts
    as null.

    Args:
        files: of one folder or several.
        schema: columns that are there even when no file has them.
        only: leave out all others; with many columns that is quicker than to do so afterwards.
    """
    schemas = [_schema_of(path) for path in files]
    if only:
        wanted = set(schema or {})
        schemas = [{n: t for n, t in found.items() if n in wanted} for found in schemas]
    target = dict(schema or {})
    for found in schemas:
        for name, dtype in found.items():
            target[name] = _common(target.get(name, pl.Null()), dtype)
    together = [p for p, s in zip(files, schemas, strict=True) if _widens(s, target)]
    apart = [(p, s) for p, s in zip(files, schemas, strict=True) if not _widens(s, target)]
    parts = [_read_as(path, found, target) for path, found in apart]
    if together or not parts:
        parts.append(_scan_as(together, target))
    if len(parts) == 1:
        return parts[0].select(list(target))
    return pl.concat(parts, how="diagonal").select(list(target))


def merge(
    folder: Path, owner: str, sort: str, *, but: str = "", fewer: Fewer = lambda rows: rows
) -> Path | None:
    """Merges an owner's small files of one level once there are ``FAN_IN``, and clears up.

    Only files whose name begins with ``<owner>-`` are touched: the owner must be the only process
    that writes or merges them, and must not be about to write one of them again.

    Args:
        folder: of the files.
        owner: lower-case letters and digits.
        sort: column to sort the merged rows by.
        but: name of a file that is left alone, as it may be written again.
        fewer: makes fewer rows of the merged ones, such as their sums.

    Returns:
        The merged file, when one was made.
    """
    _clear_up(folder, owner)
    levels: dict[int, list[Path]] = {}
    for path in live_files(folder):
        level = _level(path.name, owner)
        if level is not None and path.name != but and path.stat().st_size < LARGEST_BYTES:
            levels.setdefault(level, []).append(path)
    for level, files in sorted(levels.items()):
        if len(files) >= FAN_IN:
            rows = fewer(scan(files).collect()).sort(sort)
            return _merge(folder, owner, level + 1, files, rows)
    return None


def _merge(folder: Path, owner: str, level: int, files: list[Path], rows: pl.DataFrame) -> Path:
    names = json.dumps([path.name for path in files])
    name = hashlib.sha256(names.encode()).hexdigest()[:16]
    path = folder / f"{owner}-m{level}-{name}.parquet"
    write(rows, path, {_REPLACES: names})
    return path


def _clear_up(folder: Path, owner: str) -> None:
    """Deletes what was replaced long enough ago; lower levels first, as they replace others."""
    # The age of a file is a matter of this machine's readers, not of the time that is played back.
    latest = time.time() - GRACE_SECONDS
    present = set(_names(folder))
    merged = [name for name in present if (_level(name, owner) or 0) > 0]
    for name in sorted(merged, key=lambda name: _level(name, owner) or 0):
        path = folder / name
        if name in present and path.stat().st_mtime <= latest:
            for replaced in present.intersection(replaces(path)):
                (folder / replaced).unlink()
                present.remove(replaced)


def _level(name: str, owner: str) -> int | None:
    """0 for a file as it was written, n when merged n times, None for another owner's."""
    match = _MERGED.match(name)
    if match:
        return int(match["level"]) if match["owner"] == owner else None
    return 0 if name.startswith(f"{owner}-") else None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if _is_file(path.name))
    except FileNotFoundError:
        return []


def _is_file(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(".")


@lru_cache(maxsize=4096)
def _replaced_by(path: str, _stamp: int) -> tuple[str, ...]:
    names: list[str] = json.loads(pl.read_parquet_metadata(path).get(_REPLACES, "[]"))
    return tuple(names)


def replaces(path: Path) -> tuple[str, ...]:
    """The names of the files that one takes the place of; none unless it is a merged one."""
    if not _MERGED.match(path.name):
        return ()
    try:
        return _replaced_by(str(path), path.stat().st_mtime_ns)
    except FileNotFoundError:  # replaced itself, and what it replaced was deleted before it
        return ()


@lru_cache(maxsize=16384)
def _schema(path: str, _stamp: int) -> dict[str, pl.DataType]:
    return dict(pl.read_parquet_schema(path))


def _schema_of(path: Path) -> dict[str, pl.DataType]:
    return _schema(str(path), path.stat().st_mtime_ns)


def _common(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if one == other or other == pl.Null:
        return one
    if one == pl.Null:
        return other
    numbers = (pl.Boolean, pl.Int64, pl.Float64)
    return pl.Float64() if one in numbers and other in numbers else pl.String()


def _widens(found: Mapping[str, pl.DataType], target: Mapping[str, pl.DataType]) -> bool:
    """Whether the Parquet reader itself can widen a file's types to those of the table."""
    return all(
        dtype in (target[name], pl.Null) or (dtype == pl.Int64 and target[name] == pl.Float64)
        for name, dtype in found.items()
    )


def _read(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, hive_partitioning=False, glob=False)


def _read_as(
    path: Path, found: Mapping[str, pl.DataType], target: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    texts = [
        vector_text(name)
        for name, dtype in found.items()
        if isinstance(dtype, pl.List) and target[name] == pl.String
    ]
    return _read(path).with_columns(texts).cast({name: target[name] for name in found})


def _scan_as(files: Iterable[Path], schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    paths = list(files)
    if not paths:
        return pl.LazyFrame(schema=dict(schema))
    return pl.scan_parquet(
        paths,
        hive_partitioning=False,
        glob=False,
        schema=dict(schema),
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(integer_cast=["upcast", "allow-float"]),
    )
