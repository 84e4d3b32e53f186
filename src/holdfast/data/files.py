"""CSV and Parquet files, by glob."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from holdfast.data.naming import missing_column, one_of
from holdfast.errors import DataError

SUFFIXES = (".parquet", ".pq", ".csv", ".csv.gz", ".tsv")
OBJECT_STORES = ("s3://", "gs://", "az://")
_MISSING_MARKS = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None")


def read_files(source: str, root: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Reads the ``columns`` of all files that match a glob.

    Args:
        source: glob, relative to ``root`` or absolute, or the URL of an object store.
        root: the project's folder.
        columns: the columns to read; others in the files are ignored.

    Returns:
        The rows of all files, file after file.

    Raises:
        DataError: no file matches, a column is missing, a file cannot be read, or a column is
            text in one file and numbers in another.
    """
    if source.startswith(OBJECT_STORES):
        return _read_remote(source, columns)
    frames = {str(path): _read_file(path, columns) for path in _matches(source, root)}
    return _concat(frames)


def columns_in(source: str, root: Path) -> tuple[str, ...]:
    """The columns that the first file of a source has, in order.

    Raises:
        DataError: no file matches, or it cannot be read.
    """
    path = _matches(source, root)[0]
    try:
        if path.suffix in (".parquet", ".pq"):
            return tuple(pl.read_parquet_schema(path))
        separator = "\t" if path.name.endswith(".tsv") else ","
        return tuple(pl.read_csv(path, n_rows=0, separator=separator).columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path.name, error) from None


def file_names(source: str, root: Path) -> tuple[str, ...]:
    """Names of the files that a source matches now, for those of this machine."""
    if ":" in source:
        return ()
    return tuple(path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
                 for path in _matches(source, root))  # fmt: skip


def _matches(source: str, root: Path) -> list[Path]:
    base, pattern = root, source
    if Path(source).is_absolute():
        base = Path(Path(source).anchor)
        pattern = str(Path(source).relative_to(base))
    if (base / pattern).is_dir():
        raise DataError(
            "data.source_is_folder",
            f"the source '{source}' is a folder",
            f"Name its files, like '{source.rstrip('/')}/*.parquet'.",
        )
    found = sorted(path for path in base.glob(pattern) if path.is_file())
    if not found:
        raise DataError(
            "data.no_files",
            f"no file matches '{source}' in {root}",
            _what_is_there((base / pattern).parent),
        )
    return found


def _what_is_there(folder: Path) -> str:
    if not folder.is_dir():
        return "Globs are relative to the folder of holdfast.toml; mend [data] source."
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(SUFFIXES))
    if not names:
        return f"{folder} has no CSV or Parquet file; put the data there or mend [data] source."
    return f"There is {one_of(names)}; mend [data] source."


def _read_file(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    if not path.name.endswith(SUFFIXES):
        raise DataError(
            "data.file_kind",
            f"{path} is neither CSV nor Parquet",
            f"Known file endings: {', '.join(SUFFIXES)}.",
        )
    try:
        if path.suffix in (".parquet", ".pq"):
            known = list(pl.read_parquet_schema(path))
            _require(known, columns, path.name)
            return pl.read_parquet(path, columns=list(columns), hive_partitioning=False)
        return _read_csv(path, columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path.name, error) from None


def _read_csv(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    # Only the needed columns are parsed, so the header is looked at first.
    separator = "\t" if path.name.endswith(".tsv") else ","
    known = pl.read_csv(path, n_rows=0, separator=separator).columns
    _require(known, columns, path.name)
    frame = pl.read_csv(
        path,
        columns=list(columns),
        separator=separator,
        infer_schema_length=None,
        try_parse_dates=True,
    )
    return frame.select(_numbers_with_marks(frame.get_column(name)) for name in columns)


def _numbers_with_marks(column: pl.Series) -> pl.Series:
    """Numbers stay numbers though some cells say ``NA``; text such as Namibia's code stays text."""
    if column.dtype != pl.String or not column.is_in(_MISSING_MARKS).any():
        return column
    cleaned = column.set(column.is_in(_MISSING_MARKS), None)
    numbers = cleaned.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == cleaned.null_count() else column


def _read_remote(source: str, columns: Sequence[str]) -> pl.DataFrame:
    try:
        if source.endswith((".parquet", ".pq")):
            lazy = pl.scan_parquet(source)
        else:
            lazy = pl.scan_csv(source, infer_schema_length=None, try_parse_dates=True)
        _require(lazy.collect_schema().names(), columns, source)
        return lazy.select(columns).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(source, error) from None


def _require(known: Sequence[str], columns: Sequence[str], where: str) -> None:
    for name in columns:
        if name not in known:
            raise missing_column(name, known, where)


def _concat(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One frame of all files; a column without any value in one file takes the others' type."""
    typed = []
    kinds: dict[str, tuple[bool, str]] = {}
    for file, frame in frames.items():
        empty = [name for name in frame.columns if frame[name].null_count() == frame.height]
        for name in frame.columns:
            if name in empty:
                continue
            numeric = frame.schema[name].is_numeric()
            known, other = kinds.setdefault(name, (numeric, file))
            if known != numeric:
                raise DataError(
                    "data.mixed_types",
                    f"column '{name}' is numbers in one of {Path(other).name} and "
                    f"{Path(file).name}, not in the other",
                    "Make it the same in every file.",
                )
        typed.append(frame.with_columns(pl.lit(None, dtype=pl.Null).alias(n) for n in empty))
    try:
        return pl.concat(typed, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(
            "data.mixed_types",
            f"the files do not fit together: {error}",
            "Make each column the same type in every file.",
        ) from None


def _unreadable(where: str, error: Exception) -> DataError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError("data.unreadable", f"{where} cannot be read: {first}", "Mend the file.")
