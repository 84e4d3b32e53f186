"""The prediction log: every answer, as Parquet that any tool reads.

Files are ``model=<model>/date=<UTC date>/<name>.parquet``. Columns of every file:

==============  =========================  ======================================================
prediction_id   VARCHAR                    id of the row's answer; with ``version`` and ``role``
                                           unique
request         VARCHAR                    id of the request the row came with
id              VARCHAR                    the caller's own id; the prediction id without one
at              TIMESTAMP WITH TIME ZONE   when it was answered, UTC
version         BIGINT                     the version that answered
epoch           BIGINT                     epoch of the route it answered under
role            VARCHAR                    ``live`` was sent to the caller, ``shadow`` was not
error           VARCHAR                    short code when the version failed, else empty
seconds         DOUBLE                     time the version took
inputs          BOOLEAN                    whether the input was recorded; that of a large
                                           request may have been sampled away
prediction      VARCHAR                    the class, or the number of a regression, as text
score           DOUBLE                     probability of the positive class; the number of a
                                           regression; null for multiclass
scores          DOUBLE[]                   multiclass: probability of each class, in their order
f_<feature>     DOUBLE, BIGINT, BOOLEAN,   the input; null where it was missing or not a number;
                VARCHAR or DOUBLE[]        ``hash:…`` where it is redacted; a vector is a list
==============  =========================  ======================================================

Versions may have other features, and a feature another type; so read with ``union_by_name``::

    SELECT version, avg(score), max("at") FROM
    read_parquet('log/**/*.parquet', hive_partitioning = true, union_by_name = true)
    WHERE model = 'flight-delay' AND role = 'live' GROUP BY version

(``at`` is a word of DuckDB's grammar, so it takes quotes.)
Small files are merged as described in :mod:`holdfast.recording.parquet`. A query by glob sees the
rows of just merged files twice for two minutes; give it the list of ``PredictionLog.files``
instead, or ``SELECT DISTINCT``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote, unquote

import polars as pl

from holdfast.recording import parquet
from holdfast.recording.frames import SCHEMA
from holdfast.records.prediction import Role


class PredictionLog:
    """The prediction log under one folder.

    Args:
        root: the folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, frames: Mapping[str, pl.DataFrame], name: str) -> list[Path]:
        """Writes one frame a model; the same name again replaces what it wrote before.

        Args:
            frames: by model; columns as the module says.
            name: of the files; equal rows must come with equal names.

        Returns:
            The files, one a model and date.

        Raises:
            OSError: when a file could not be written; others may have been.
        """
        files = []
        for model, frame in frames.items():
            dates = frame["at"].dt.date()
            for day in dates.unique().sort().to_list():
                path = self._day(model, day) / f"{name}.parquet"
                parquet.write(frame.filter(dates == day), path)
                files.append(path)
        return files

    def scan(
        self,
        model: str,
        start: datetime | None = None,
        end: datetime | None = None,
        version: int | None = None,
        role: Role | None = None,
    ) -> pl.LazyFrame:
        """The rows answered from ``start`` until before ``end``, of one version or role.

        Collect it soon: files that are merged away meanwhile are deleted after two minutes.
        Unknown models have no rows.
        """
        frame = parquet.scan(self.files(model, start, end), SCHEMA)
        if start is not None:
            frame = frame.filter(pl.col("at") >= start.astimezone(UTC))
        if end is not None:
            frame = frame.filter(pl.col("at") < end.astimezone(UTC))
        if version is not None:
            frame = frame.filter(pl.col("version") == version)
        if role is not None:
            frame = frame.filter(pl.col("role") == role)
        return frame

    def files(
        self, model: str, start: datetime | None = None, end: datetime | None = None
    ) -> list[Path]:
        """The files of the dates from ``start`` to ``end``, each row in one of them only."""
        return [path for _, paths in self.by_day(model, start, end) for path in paths]

    def by_day(
        self, model: str, start: datetime | None = None, end: datetime | None = None
    ) -> list[tuple[date, list[Path]]]:
        """The dates from ``start`` to ``end`` with their files, as :meth:`files`."""
        first = start.astimezone(UTC).date() if start else date.min
        last = end.astimezone(UTC).date() if end else date.max
        days = [day for day in self.dates(model) if first <= day <= last]
        return [(day, parquet.live_files(self._day(model, day))) for day in days]

    def models(self) -> list[str]:
        """Names of the models that have rows, sorted."""
        return sorted(unquote(path.name[6:]) for path in self.root.glob("model=*"))

    def dates(self, model: str) -> list[date]:
        """The UTC dates on which a model answered, sorted."""
        days = (path.name[5:] for path in self._model(model).glob("date=*"))
        return sorted(date.fromisoformat(day) for day in days)

    def first_last(self, model: str) -> tuple[datetime, datetime] | None:
        """When the model answered first and last; None when it never did."""
        found = [self._span(model, day) for day in _ends(self.dates(model))]
        spans = [span for span in found if span is not None]
        return (spans[0][0], spans[-1][1]) if spans else None

    def counts(
        self, model: str, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """What each version answered: the evidence for which version was live.

        Returns:
            ``version``, ``role``, ``rows``, ``errors``, ``first``, ``last``; sorted by version
            and role.
        """
        return (
            self.scan(model, start, end)
            .group_by("version", "role")
            .agg(
                pl.len().cast(pl.Int64).alias("rows"),
                (pl.col("error") != "").sum().cast(pl.Int64).alias("errors"),
                pl.col("at").min().alias("first"),
                pl.col("at").max().alias("last"),
            )
            .sort("version", "role")
            .collect()
        )

    def merge(self, model: str, day: date, owner: str) -> Path | None:
        """Merges an owner's small files of one date, once there are many.

        Args:
            model: the model.
            day: UTC date.
            owner: first part of the file names; the only process that writes them.

        Returns:
            The merged file, when one was made.
        """
        return parquet.merge(self._day(model, day), owner, sort="at")

    def _span(self, model: str, day: date) -> tuple[datetime, datetime] | None:
        rows = parquet.scan(parquet.live_files(self._day(model, day)), SCHEMA).select("at")
        span = rows.select(first=pl.col("at").min(), last=pl.col("at").max()).collect()
        first, last = span.row(0)
        return None if first is None else (first, last)

    def _model(self, model: str) -> Path:
        return self.root / f"model={quote(model, safe='')}"

    def _day(self, model: str, day: date) -> Path:
        return self._model(model) / f"date={day.isoformat()}"


def _ends(days: list[date]) -> list[date]:
    """The first and last of sorted dates."""
    return [days[0], days[-1]] if days else []
