"""Dataset versions: the rows a run saw, kept for good and addressed by their content."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import msgspec
import polars as pl

from holdfast.data.database import public_name
from holdfast.data.fingerprint import content_id, in_order
from holdfast.data.schema import fields, normalise
from holdfast.errors import DataError
from holdfast.ports.blobs import BlobStore
from holdfast.records import DataFile, DatasetVersion, Spell
from holdfast.spec import Data

FOLDER = "datasets"


def snapshot(
    frame: pl.DataFrame,
    *,
    model: str,
    data: Data,
    source: str,
    blobs: BlobStore,
    now: datetime,
    left_out: Sequence[Spell] = (),
    sources: Sequence[str] = (),
) -> DatasetVersion:
    """Keeps a frame: one Parquet file a month, named by its bytes, and a manifest.

    A month that did not change is stored once however many versions have it. Storing a known
    content again gives the version that is there.

    Args:
        frame: rows of :func:`holdfast.data.sources.read`, in any order.
        model: name of the model.
        data: names the time and id columns.
        source: what the spec names as source; a password in it is left out.
        blobs: where files go.
        now: when the version was made.
        left_out: times whose rows are not in the frame because they were broken.
        sources: names of the files it was read from.

    Returns:
        The manifest. Its id depends on names, types and cells only, not on the order of rows, the
        files, the source or the time.

    Raises:
        DataError: when there are no rows or a column's type is not supported.
    """
    if frame.is_empty():
        raise DataError(
            "data.empty",
            "there are no rows to keep",
            "Check the source, and that labels are known by now.",
        )
    first = [data.time] if data.id is None else [data.time, data.id]
    ordered = in_order(normalise(frame), first)
    times = ordered.get_column(data.time)
    version = DatasetVersion(
        id=content_id(ordered),
        model=model,
        source=public_name(source),
        files=(),
        schema=fields(ordered),
        rows=ordered.height,
        start=times[0],
        end=times[-1],
        created_at=now,
        left_out=tuple(left_out),
        sources=tuple(sources),
    )
    if blobs.exists(_manifest_key(version.id)):
        known = read_manifest(version.id, blobs)
        return known if known.model == model else _retold(known, version)
    version = msgspec.structs.replace(version, files=_store(ordered, data.time, blobs))
    # Last, so that a manifest never names a file that is not there.
    blobs.put(_manifest_key(version.id), version.to_json())
    return version


def open_version(dataset: DatasetVersion, blobs: BlobStore) -> pl.DataFrame:
    """The rows of a version, exactly as they were kept.

    Raises:
        NotFoundError: when a file is gone.
        DataError: ``data.corrupt`` when a file is not what the manifest says.
    """
    parts = []
    for file in dataset.files:
        content = blobs.get(_file_key(file.sha256))
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise DataError(
                "data.corrupt",
                f"file {file.sha256[:12]} of dataset {dataset.id} was changed",
                "Restore it from a backup; the manifest says what its digest must be.",
            )
        parts.append(pl.read_parquet(io.BytesIO(content)))
    return pl.concat(parts)


def read_manifest(dataset: str, blobs: BlobStore) -> DatasetVersion:
    """The manifest of a version by its id.

    Raises:
        NotFoundError: when there is no such version.
    """
    return DatasetVersion.from_json(blobs.get(_manifest_key(dataset)))


def _store(ordered: pl.DataFrame, time: str, blobs: BlobStore) -> tuple[DataFile, ...]:
    month = ordered.get_column(time).dt.truncate("1mo")
    starts = [0, *(month != month.shift(1)).fill_null(False).arg_true().to_list(), ordered.height]
    files = []
    for start, end in pairwise(starts):
        part = io.BytesIO()
        ordered[start:end].write_parquet(part, compression="zstd", compression_level=1)
        content = part.getvalue()
        file = DataFile(
            sha256=hashlib.sha256(content).hexdigest(), size=len(content), rows=end - start
        )
        key = _file_key(file.sha256)
        if not blobs.exists(key):
            blobs.put(key, content)
        files.append(file)
    return tuple(files)


def _retold(known: DatasetVersion, version: DatasetVersion) -> DatasetVersion:
    """The version as another model names it; the files are shared."""
    return msgspec.structs.replace(version, files=known.files)


def _manifest_key(dataset: str) -> str:
    return f"{FOLDER}/{dataset.removeprefix('sha256:')}.json"


def _file_key(sha256: str) -> str:
    return f"{FOLDER}/{sha256}.parquet"
