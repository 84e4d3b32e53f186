"""Reading a file of labels: CSV, Parquet or JSON lines; all of it, or nothing."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import polars as pl

from holdfast.errors import LabelError
from holdfast.recording.label_values import BadValueError, label_reader, read_id, read_time
from holdfast.spec.types import Task

Format = Literal["csv", "parquet", "jsonl"]

MOST_NAMED = 20
TOLERANCE = timedelta(days=1)
SCHEMA = {
    "id": pl.String(),
    "label": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "timed": pl.Boolean(),
}
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}

Row = tuple[int, dict[str, Any] | str]
"""A row's number in the file, and its values or what is wrong with it as a whole."""


def read_labels(
    source: str | Path | IO[bytes],
    format: Format | None = None,  # noqa: A002 - the word users type
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    time_column: str | None = None,
    now: datetime,
    task: Task | None = None,
    classes: Sequence[bool | int | str] = (),
) -> pl.DataFrame:
    """Reads labels and checks every row.

    Args:
        source: a path, ``"-"`` for standard input, or an open binary file.
        format: by default known from the file's name, else from its first bytes.
        id_column: column of the caller's id or prediction id; else ``id`` or ``prediction_id``.
        label_column: else ``label``.
        time_column: when the label became known; else ``time``. Optional.
        now: aware time of arrival; the time of rows without one.
        task: with ``classes``: what a label may be.
        classes: class labels of the model.

    Returns:
        ``id``, ``label`` (text form), ``at`` (UTC), and ``timed``: whether the row said when.

    Raises:
        LabelError: with the number of and reason for each bad row, at most 20.
    """
    data, form = _load(source, format)
    columns, rows = _rows(data, form)
    names = (
        _column(columns, (id_column, "id", "prediction_id"), "id"),
        _column(columns, (label_column, "label"), "label"),
        _time_column(columns, (time_column, "time")),
    )
    read = label_reader(task, classes)
    latest = now + TOLERANCE
    good: list[tuple[str, str, datetime, bool]] = []
    bad: list[tuple[int, str]] = []
    for number, row in rows:
        try:
            if isinstance(row, str):
                raise BadValueError(row)
            time = row.get(names[2]) if names[2] else None
            at = read_time(time, now, latest).astimezone(UTC)
            good.append(
                (read_id(row.get(names[0])), read(row.get(names[1])), at, time not in (None, ""))
            )
        except BadValueError as error:
            bad.append((number, str(error)))
    if bad:
        raise _refused(bad, len(good) + len(bad))
    return pl.DataFrame(good, schema=SCHEMA, orient="row")


def _load(source: str | Path | IO[bytes], form: Format | None) -> tuple[bytes, Format]:
    try:
        if source == "-":
            data = sys.stdin.buffer.read()
        elif isinstance(source, (str, Path)):
            path = Path(source)
            data = path.read_bytes()
            form = form or _SUFFIXES.get(path.suffix.lower())
        else:
            data = source.read()
    except OSError as error:
        raise LabelError(
            "labels.unreadable", f"cannot read {source}: {error.strerror}", "Check the path."
        ) from error
    return data, form or _guess(data)


def _guess(data: bytes) -> Format:
    if data.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if data.lstrip()[:1] == b"{" else "csv"


def _rows(data: bytes, form: Format) -> tuple[list[str], Iterator[Row]]:
    try:
        if form == "parquet":
            frame = pl.read_parquet(io.BytesIO(data))
            return frame.columns, enumerate(frame.iter_rows(named=True), start=1)
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_a(form, "it is not UTF-8") from error
    except pl.exceptions.PolarsError as error:
        raise _not_a(form, str(error)) from error
    return _csv(content) if form == "csv" else _json_lines(content)


def _csv(content: str) -> tuple[list[str], Iterator[Row]]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header = [name.strip() for name in next(_safely(reader), (1, []))[1]]

    def rows() -> Iterator[Row]:
        for number, values in _safely(reader):
            if isinstance(values, str):
                yield number, values
            elif values and len(values) != len(header):
                yield number, f"has {len(values)} values for {len(header)} columns"
            elif values:
                yield number, dict(zip(header, values, strict=True))

    return header, rows()


def _safely(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with the number of the line they end on; an error of the format ends them."""
    try:
        for values in reader:
            yield reader.line_num, values
    except csv.Error as error:
        yield reader.line_num, f"is not CSV: {error}"


def _json_lines(content: str) -> tuple[list[str], Iterator[Row]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    parsed: list[Row] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except msgspec.DecodeError:
            parsed.append((number, "is not a JSON object"))
        else:
            columns.update(dict.fromkeys(row))
            parsed.append((number, row))
    return list(columns), iter(parsed)


def _column(columns: list[str], wanted: tuple[str | None, ...], what: str) -> str:
    for name in wanted:
        if name is not None and name in columns:
            return name
    first = next(name for name in wanted if name)
    near = get_close_matches(first, columns, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(columns[:20]) or 'none'}."
    raise LabelError("labels.column", f"the labels have no {what} column {first!r}", hint)


def _time_column(columns: list[str], wanted: tuple[str | None, ...]) -> str | None:
    return next((name for name in wanted if name is not None and name in columns), None)


def _not_a(form: Format, why: str) -> LabelError:
    return LabelError(
        "labels.format", f"the labels cannot be read as {form}: {why}", "Name the right --format."
    )


def _refused(bad: list[tuple[int, str]], rows: int) -> LabelError:
    named = "; ".join(f"row {number}: {reason}" for number, reason in bad[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
    return LabelError(
        "labels.bad_rows",
        f"{len(bad)} of {rows} rows cannot be taken, so none was kept: {named}{more}",
        "Correct these rows and send the whole file again.",
    )
