"""Answers in other forms than JSON: a line for each row, and no header line.

They are joined line by line to the rows that were sent, as SageMaker's batch transform does it.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from holdfast.serving.media import Form
from holdfast.serving.server import Answer

KINDS: dict[Form, bytes] = {
    "csv": b"text/csv; charset=utf-8",
    "lines": b"application/jsonlines",
}
_encode_lines = msgspec.json.Encoder().encode_lines


def write_csv(answer: Answer) -> bytes:
    """A line a row: the prediction, then its probability, or that of each class in their order."""
    columns: list[list[Any]] = [answer.outputs.prediction.tolist()]
    probability = answer.outputs.probability
    if probability is not None:
        columns += probability.reshape(len(columns[0]), -1).T.tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[_cell(value) for value in row] for row in zip(*columns, strict=True)])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value != value:
        return ""
    return str(value).lower() if type(value) is bool else value


def write_lines(answer: Answer) -> bytes:
    """A JSON value a row: a number, or a prediction with its probability."""
    values = answer.outputs.prediction.tolist()
    probability = answer.outputs.probability
    if probability is None:
        return _encode_lines(values)
    pairs = zip(values, probability.tolist(), strict=True)
    return _encode_lines([{"prediction": value, "probability": share} for value, share in pairs])
