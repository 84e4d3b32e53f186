"""The join, kept in memory from look to look: only what has changed is read and joined again.

Log and labels only grow, and what a file holds its name says. So a day whose files are those of
the last time is joined again only where a label came for one of its rows. What is kept is bounded;
what does not fit is read each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock

import polars as pl

from holdfast.recording import frames, parquet
from holdfast.recording.join import ANSWER, labelled, outcomes, with_delay
from holdfast.recording.labels import SCHEMA, LabelStore, last_word
from holdfast.recording.log import PredictionLog

MOST_BYTES = 128 * 2**20
_KEPT = {name: frames.SCHEMA[name] for name in ANSWER}
_DATE = pl.col("at").dt.date()

Stamp = tuple[tuple[Path, int], ...]


@dataclass
class _Day:
    """The live answers of one date with their labels, and the files that they came from."""

    files: Stamp
    rows: pl.DataFrame


@dataclass
class _Model:
    """What is known of one model.

    Args:
        until: labels received by then are in.
        read: files of labels that were read.
        waiting: words of them that were received later than ``until``.
        words: the last word on each id.
        days: by date.
    """

    until: datetime
    read: frozenset[Path] = frozenset()
    waiting: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    words: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    days: dict[date, _Day] = field(default_factory=dict)

    def take(self, files: Iterable[Path], until: datetime) -> pl.Series:
        """Takes in the labels received until a time; the ids on which there is a new last word."""
        files = frozenset(files)
        arrived = parquet.scan(sorted(files - self.read), SCHEMA).collect()
        arrived = pl.concat([self.waiting, arrived.select(list(SCHEMA))])
        late = pl.col("received_at") > until
        self.until, self.read, self.waiting = until, files, arrived.filter(late)
        arrived = arrived.filter(~late)
        if arrived.is_empty():
            return arrived["id"]
        before = self.words.join(arrived.select("id"), on="id", how="semi")
        last = last_word(pl.concat([before, arrived]).lazy()).collect()
        new = last.join(before, on=list(SCHEMA), how="anti")
        self.words = pl.concat([self.words.join(new, on="id", how="anti"), new])
        return new["id"]

    def join(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Adds the last words to rows."""
        ids = pl.concat([rows.select("id"), rows.select(id="prediction_id")])
        return labelled(rows, self.words.join(ids, on="id", how="semi"))

    def refresh(self, files: Mapping[date, Stamp], said: pl.Series) -> None:
        """Brings the days of some files up to date, and all rows that something was said of."""
        stale = {day for day, stamp in files.items() if self._stamp(day) != stamp}
        fresh = [path for day in sorted(stale) for path, _ in files[day]]
        kept = [one.rows for day, one in self.days.items() if day not in stale]
        touched: set[date] = set()
        if kept and said.len():
            ids = said.implode()
            named = pl.col("id").is_in(ids) | pl.col("prediction_id").is_in(ids)
            touched = set(pl.concat(kept).filter(named).select(_DATE).to_series())
        stamps = {day: self.days[day].files for day in touched} | {day: files[day] for day in stale}
        if not stamps:
            return
        live = parquet.scan(fresh, _KEPT, only=True).filter(pl.col("role") == "live")
        again = [self.days[day].rows.select(ANSWER) for day in sorted(touched)]
        rows = self.join(pl.concat([live.select(ANSWER).collect(), *again]))
        parts = rows.with_columns(date=_DATE).partition_by("date", as_dict=True, include_key=False)
        for day, stamp in stamps.items():
            self.days[day] = _Day(stamp, parts.get((day,), rows.clear()))

    def size(self) -> int:
        """Bytes that are kept, about."""
        tables = [self.words, self.waiting, *(one.rows for one in self.days.values())]
        return int(sum(one.estimated_size() for one in tables))

    def _stamp(self, day: date) -> Stamp | None:
        return self.days[day].files if day in self.days else None


class Joined:
    """Live predictions beside their labels, for those who ask for them again and again.

    Args:
        log: the predictions.
        labels: the labels.
        most: bytes that may be kept between two calls, over all models.
    """

    def __init__(self, log: PredictionLog, labels: LabelStore, most: int = MOST_BYTES) -> None:
        self._log = log
        self._labels = labels
        self._most = most
        self._models: dict[str, _Model] = {}
        self._lock = Lock()

    def outcomes(
        self,
        model: str,
        start: datetime,
        end: datetime | None,
        until: datetime,
        version: int | None = None,
    ) -> pl.DataFrame:
        """As :func:`holdfast.recording.join.outcomes` of the live rows between two times.

        Args:
            model: whose.
            start: aware; rows answered since.
            end: aware; rows answered before it.
            until: aware; later predictions, and labels received later, are left out.
            version: that answered; any by default.
        """
        until = until.astimezone(UTC)
        with self._lock:
            # Taken out until all went well: half a change would be worse than none.
            kept = self._models.pop(model, None) or _Model(until)
            if until < kept.until:
                self._models[model] = kept
                log = self._log.scan(model, start, end, version, "live")
                return outcomes(log, self._labels.scan(model), until)
            said = kept.take(self._labels.files(model), until)
            files = {day: _stamped(paths) for day, paths in self._log.by_day(model, start, end)}
            kept.refresh(files, said)
            rows = [kept.days[day].rows for day in files]
            self._models[model] = kept
            self._shrink()
        found = pl.concat(rows) if rows else kept.join(pl.DataFrame(schema=_KEPT))
        wanted = pl.col("at").is_between(start.astimezone(UTC), until)
        if end is not None:
            wanted &= pl.col("at") < end.astimezone(UTC)
        if version is not None:
            wanted &= pl.col("version") == version
        return with_delay(found.filter(wanted))

    def _shrink(self) -> None:
        """Forgets the models that were not asked for the longest, until the rest fits."""
        sizes = {name: one.size() for name, one in self._models.items()}
        while sum(sizes.values()) > self._most:
            oldest = next(iter(sizes))
            del sizes[oldest], self._models[oldest]


def _stamped(paths: Iterable[Path]) -> Stamp:
    return tuple((path, path.stat().st_mtime_ns) for path in paths)
