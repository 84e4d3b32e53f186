"""From records of the spool to rows of the prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import polars as pl

from holdfast.recording.values import FEATURE, series, text, vector_text
from holdfast.records.prediction import PredictionBatch

SCHEMA: dict[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "request": pl.String(),
    "id": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "version": pl.Int64(),
    "epoch": pl.Int64(),
    "role": pl.String(),
    "error": pl.String(),
    "seconds": pl.Float64(),
    "inputs": pl.Boolean(),
    "prediction": pl.String(),
    "score": pl.Float64(),
    "scores": pl.List(pl.Float64()),
}
KEY = ("prediction_id", "version", "role")


def frames(batches: Sequence[PredictionBatch]) -> dict[str, pl.DataFrame]:
    """One frame a model, with the columns of the prediction log.

    A row that is there twice, by prediction id, version and role, is taken once.

    >>> frames([])
    {}
    """
    groups: dict[tuple[str, tuple[str, ...], int], list[PredictionBatch]] = {}
    for batch in batches:
        if batch.rows:
            groups.setdefault((batch.model, batch.names, batch.blocked), []).append(batch)
    parts: dict[str, list[pl.DataFrame]] = {}
    for (model, names, blocked), group in groups.items():
        parts.setdefault(model, []).append(_frame(group, names, blocked))
    return {
        model: pl.concat(_alike(frames), how="diagonal_relaxed").unique(
            subset=list(KEY), keep="first", maintain_order=True
        )
        for model, frames in parts.items()
    }


def _alike(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The same frames; a column that is of vectors in some only is text in all."""
    kinds: dict[str, set[bool]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            if dtype != pl.Null:
                kinds.setdefault(name, set()).add(isinstance(dtype, pl.List))
    mixed = {name for name, found in kinds.items() if len(found) > 1}
    return [
        frame.with_columns(
            vector_text(name) for name in mixed if isinstance(frame.schema.get(name), pl.List)
        )
        for frame in frames
    ]


def _frame(batches: list[PredictionBatch], names: tuple[str, ...], blocked: int) -> pl.DataFrame:
    counts = np.array([batch.rows for batch in batches])
    owner = np.repeat(np.arange(len(batches)), counts)
    index = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    several = pl.Series(np.repeat(counts, counts) > 1)
    facts = _facts(batches)[owner]
    numbered = facts["request"] + ":" + pl.Series(index).cast(pl.String)
    prediction_id = numbered.zip_with(several, facts["request"])
    own = pl.Series("id", _ids(batches), dtype=pl.String)
    answers = [
        prediction_id.alias("prediction_id"),
        own.fill_null(prediction_id),
        *_answers(batches),
    ]
    features = (
        series(FEATURE + name, list(chain.from_iterable(batch.columns[i] for batch in batches)))
        for i, name in enumerate(names[blocked:])
    )
    frame = facts.with_columns(answers)
    doubles = _doubles(batches, names[:blocked])
    return frame.select(list(SCHEMA)).with_columns(*doubles, *features)


def _doubles(batches: list[PredictionBatch], names: tuple[str, ...]) -> list[pl.Series]:
    """The columns in the blocks."""
    if not names:
        return []
    numbers = np.frombuffer(b"".join(batch.block for batch in batches), np.dtype("<f8"))
    columns = np.ascontiguousarray(numbers.reshape(-1, len(names)).T)
    return [
        pl.Series(FEATURE + name, values).fill_nan(None)
        for name, values in zip(names, columns, strict=True)
    ]


def _facts(batches: list[PredictionBatch]) -> pl.DataFrame:
    """What is the same for all rows of a record, one row a record."""
    at = pl.Series("at", [round(batch.at * 1e6) for batch in batches], dtype=pl.Int64)
    return pl.DataFrame(
        {
            "request": [batch.request for batch in batches],
            "at": at.cast(SCHEMA["at"]),
            "version": [batch.version for batch in batches],
            "epoch": [batch.epoch for batch in batches],
            "role": [batch.role for batch in batches],
            "error": [batch.error for batch in batches],
            "seconds": [batch.seconds for batch in batches],
            "inputs": [batch.inputs for batch in batches],
        },
        schema_overrides={"seconds": pl.Float64},
    )


def _ids(batches: list[PredictionBatch]) -> list[str | None]:
    result: list[str | None] = []
    for batch in batches:
        result += _fitted(batch.ids, batch.rows)
    return result


def _answers(batches: list[PredictionBatch]) -> list[pl.Series]:
    predictions: list[str | None] = []
    score: list[float | None] = []
    scores: list[list[float] | None] = []
    for batch in batches:
        rows = batch.rows
        values = _fitted(batch.predictions, rows)
        predictions += map(text, values)
        if batch.scores and isinstance(batch.scores[0], list):
            scores += _fitted(batch.scores, rows)
            score += [None] * rows
        else:
            scores += [None] * rows
            score += _fitted(batch.scores, rows) if batch.scores else map(_number, values)
    return [
        pl.Series("prediction", predictions, dtype=pl.String),
        pl.Series("score", score, dtype=pl.Float64).fill_nan(None),
        pl.Series("scores", scores, dtype=pl.List(pl.Float64)),
    ]


def _fitted(values: Sequence[object] | None, rows: int) -> list:  # type: ignore[type-arg]
    """The values, or as many nulls as there are rows when the version failed to answer."""
    return list(values) if values is not None and len(values) == rows else [None] * rows


def _number(value: object) -> float | None:
    """The score of a regression is its prediction."""
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]
