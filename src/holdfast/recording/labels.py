"""Labels: what turned out to be true; late, partial, repeated and corrected.

Files are ``model=<model>/<name>.parquet`` with ``id`` (the caller's own or the prediction id),
``label`` (text form), ``at`` (when it became known), ``received_at`` and ``seq`` (row in its file).
Nothing is ever changed: a correction is one more row, and the last word wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import polars as pl

from holdfast.recording import parquet
from holdfast.recording.folders import FolderLock
from holdfast.recording.label_file import read_labels
from holdfast.recording.log import PredictionLog
from holdfast.recording.seen_ids import SeenIds

__all__ = ["SCHEMA", "Added", "LabelStore", "last_word", "read_labels", "unknown"]

SCHEMA = {
    "id": pl.String(),
    "label": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "received_at": pl.Datetime("us", "UTC"),
    "seq": pl.Int64(),
}
_OWNER = "labels"
_IDS = {"id": pl.String(), "prediction_id": pl.String()}


class Added(NamedTuple):
    """What became of the rows of one file: ``rows = new + duplicate + corrected``.

    Args:
        rows: rows of the file.
        new: first word on their id.
        duplicate: said before; not kept again.
        corrected: one more word on an id that had one.
    """

    rows: int
    new: int
    duplicate: int
    corrected: int


class LabelStore:
    """The labels of all models under one folder.

    Args:
        root: the folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[str, SeenIds] = {}

    def add(self, model: str, frame: pl.DataFrame, received_at: datetime) -> Added:
        """Keeps the rows that say something new; adding the same rows again changes nothing.

        A row is a repetition when id, label and time were received before. A row that did not say
        when (``timed`` is false) is one when its label is the present word on its id.

        Args:
            model: the model.
            frame: ``id``, ``label``, ``at`` and, optionally, ``timed`` as of ``read_labels``.
            received_at: aware time of arrival.

        Raises:
            OSError: when they could not be written; nothing was kept.
        """
        claim = FolderLock(self._folder(model))
        claim.acquire(wait=True)
        try:
            return self._add(model, frame, received_at.astimezone(UTC))
        finally:
            claim.release()

    def scan(self, model: str, until: datetime | None = None) -> pl.LazyFrame:
        """Every word on every id, received until a time; see the module for the columns."""
        frame = parquet.scan(self.files(model), SCHEMA)
        if until is None:
            return frame
        return frame.filter(pl.col("received_at") <= until.astimezone(UTC))

    def files(self, model: str) -> list[Path]:
        """The files of a model, each word in one of them only; none ever changes."""
        return parquet.live_files(self._folder(model))

    def changed(self, model: str) -> int:
        """Differs after labels came: nanoseconds of the last change of the folder, 0 for none."""
        try:
            return self._folder(model).stat().st_mtime_ns
        except OSError:
            return 0

    def latest(self, model: str, until: datetime | None = None) -> pl.DataFrame:
        """The last word on each id, sorted by id; of what was received until a time."""
        return last_word(self.scan(model, until)).sort("id").collect()

    def _add(self, model: str, frame: pl.DataFrame, received_at: datetime) -> Added:
        if "timed" not in frame.columns:
            frame = frame.with_columns(timed=pl.lit(value=True))
        rows = frame.select("id", "label", "at", "timed").with_row_index("seq")
        seen = self._seen.setdefault(model, SeenIds())
        seen.read(self.files(model))
        files = self.files(model) if seen.has(rows["id"]) else []
        ids = rows.lazy().select("id").unique()
        known = parquet.scan(files, SCHEMA).join(ids, on="id", how="semi").collect()
        fresh = _fresh(rows, known)
        first = fresh.unique("id").join(known, on="id", how="anti").height
        if fresh.height:
            kept = fresh.with_columns(
                pl.col("seq").cast(pl.Int64), received_at=pl.lit(received_at, SCHEMA["received_at"])
            ).select(list(SCHEMA))
            parquet.write(kept, self._folder(model) / _name(kept, received_at))
            parquet.merge(self._folder(model), _OWNER, sort="received_at")
        return Added(rows.height, first, rows.height - fresh.height, fresh.height - first)

    def _folder(self, model: str) -> Path:
        return self.root / f"model={quote(model, safe='')}"


def last_word(labels: pl.LazyFrame) -> pl.LazyFrame:
    """The last label of each id: by its time; of equal times the one received last.

    Args:
        labels: as of ``LabelStore.scan``. In which order the rows come makes no difference.
    """
    order = labels.sort("at", "received_at", "seq", "label", maintain_order=True)
    return order.unique("id", keep="last", maintain_order=True)


def unknown(model: str, ids: Iterable[str], log: PredictionLog) -> list[str]:
    """The ids that no prediction of the model has, neither as caller's nor as prediction id.

    Most labels are of predictions of the last days, so these are looked through first.
    """
    missing = pl.DataFrame({"id": list(ids)}, schema={"id": pl.String}).unique()
    days, span = log.dates(model), 1
    while days and missing.height:
        first = datetime.combine(days[-span:][0], time(), UTC)
        end = datetime.combine(days[-1], time(), UTC) + timedelta(days=1)
        rows = parquet.scan(log.files(model, first, end), _IDS, only=True).collect()
        for name in rows.columns:
            missing = missing.join(rows.select(name), left_on="id", right_on=name, how="anti")
        days, span = days[:-span], 4 * span
    return missing["id"].sort().to_list()


def _fresh(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows that say something new, in their order."""
    timed = rows.filter("timed").unique(["id", "label", "at"], keep="first", maintain_order=True)
    timed = timed.join(known, on=["id", "label", "at"], how="anti")
    present = last_word(known.lazy()).collect()
    untimed = rows.filter(~pl.col("timed"))
    untimed = untimed.unique(["id", "label", "at"], keep="last", maintain_order=True)
    untimed = untimed.join(present, on=["id", "label"], how="anti")
    return pl.concat([timed, untimed]).sort("seq")


def _name(kept: pl.DataFrame, received_at: datetime) -> str:
    content = hashlib.sha256(kept.drop("received_at").write_ndjson().encode()).hexdigest()[:16]
    return f"{_OWNER}-{received_at:%Y%m%dT%H%M%S%f}-{content}.parquet"
