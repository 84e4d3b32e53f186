"""The held-out rows: always the newest, never known to the training."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import polars as pl

from holdfast.data.sources import known_at
from holdfast.errors import DataError
from holdfast.spec import Data


class Split(NamedTuple):
    """Rows to train on and rows to test on; ``boundary`` is the time of the first test row."""

    train: pl.DataFrame
    test: pl.DataFrame
    boundary: datetime


def by_time(frame: pl.DataFrame, data: Data) -> Split:
    """Holds out the newest share ``data.test`` of the labelled rows.

    Training rows whose label was not yet known at the boundary are left out of both parts: a
    training at that moment could not have used them. Rows of one moment are never parted.

    Args:
        frame: rows of :func:`holdfast.data.sources.read`; those without a label are left out.
        data: names the columns and the share.

    Raises:
        DataError: ``data.too_few`` when one of the parts would be empty.
    """
    rows = frame.filter(pl.col(data.label).is_not_null()).sort(data.time, maintain_order=True)
    if rows.is_empty():
        raise _too_few(rows, "no row has a label")
    first = min(round(rows.height * (1 - data.test)), rows.height - 1)
    boundary: datetime = rows.get_column(data.time)[first]
    test = rows.filter(pl.col(data.time) >= boundary)
    train = known_at(rows.filter(pl.col(data.time) < boundary), data, boundary)
    if train.is_empty():
        raise _too_few(rows, f"no label was known before the test rows begin at {boundary}")
    return Split(train, test, boundary)


def _too_few(rows: pl.DataFrame, why: str) -> DataError:
    return DataError(
        "data.too_few",
        f"{rows.height} labelled rows cannot be split: {why}",
        "Give rows of a longer time, or check [data] label_time, label_delay and test.",
    )
