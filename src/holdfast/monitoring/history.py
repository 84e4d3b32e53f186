"""Summaries of a history: what the recorder would have counted, from any files Polars can read.

One pass in pieces that are counted side by side and added up, so memory does not grow with the
rows. The result is the same, bit by bit, as counting all rows at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import polars as pl

from holdfast.monitoring.cells import SCHEMA
from holdfast.monitoring.count import count
from holdfast.monitoring.joint import JOINT
from holdfast.monitoring.merge import compact
from holdfast.records import Reference

Each = Callable[
    [Callable[[pl.LazyFrame], pl.DataFrame], Sequence[pl.LazyFrame]], Iterable[pl.DataFrame]
]

BATCH = 262_144
_PENDING = 64  # counted pieces that are kept before they are added up


def summarise(
    history: pl.LazyFrame,
    reference: Reference,
    *,
    model: str,
    version: int,
    slices: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    at_column: str | None = "at",
) -> pl.DataFrame:
    """Counts a history of predictions into stored summaries.

    ``summarise(pl.scan_parquet("history/*.parquet"), reference, model="late", version=3)``

    Args:
        history: one row a prediction, in any order.
        reference: as for :func:`holdfast.monitoring.count.count`, like all that follow.
        model: name that is written into the summaries.
        version: number that is written into them.
        slices: columns whose values get summaries of their own.
        columns: name in the reference → name in the history, where they differ.
        at_column: time of the prediction; None: all rows are of one hour, the first of 1970.

    Returns:
        Stored rows (:data:`~holdfast.monitoring.cells.SCHEMA`), by hour, slice and column.

    Raises:
        DataError: when the history lacks a column.
    """
    names = columns or {}
    used = {names.get(name, name) for name in [*(one.input for one in reference.bins), *slices]}
    if at_column is not None:
        used.add(at_column)
    kept = [name for name in history.collect_schema().names() if name in used]

    def counted(frame: pl.DataFrame) -> pl.DataFrame:
        return count(
            frame, reference, model=model, version=version, slices=slices, columns=columns,
            at_column=at_column,
        )  # fmt: skip

    batches = history.select(kept).collect_batches(chunk_size=BATCH, maintain_order=False)
    return add_up(_side_by_side(counted, batches, pl.thread_pool_size()), reference)


def summarise_partitions(
    partitions: Sequence[pl.LazyFrame],
    reference: Reference,
    each: Each = map,
    *,
    model: str,
    version: int,
    slices: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    at_column: str | None = "at",
) -> pl.DataFrame:
    """As :func:`summarise`, partition by partition, wherever each is counted.

    Args:
        partitions: parts of the history, such as ``pl.scan_parquet`` of a folder each.
        reference: as for :func:`summarise`, like all that follow.
        each: calls a function with each partition and gives the results in any order;
            ``holdfast.integrations.ray.tasks.each`` does it on a cluster.
        model: name that is written into the summaries.
        version: number that is written into them.
        slices: columns whose values get summaries of their own.
        columns: name in the reference → name in the history.
        at_column: time of the prediction.

    Returns:
        The same, bit by bit, as for the whole history at once.
    """
    counted = partial(
        summarise, reference=reference, model=model, version=version, slices=tuple(slices),
        columns=columns, at_column=at_column,
    )  # fmt: skip
    return add_up(each(counted, partitions), reference)


def add_up(parts: Iterable[pl.DataFrame], reference: Reference) -> pl.DataFrame:
    """Adds up stored rows from any number of pieces, a few at a time.

    Args:
        parts: stored rows of the same model and version.
        reference: gives the order of the columns.
    """
    total, pending = pl.DataFrame(schema=SCHEMA), deque[pl.DataFrame]()
    for part in parts:
        pending.append(part)
        if len(pending) >= _PENDING:
            total = compact(pl.concat([total, *pending]))
            pending.clear()
    total = compact(pl.concat([total, *pending]))
    place = pl.Enum([*(one.column for one in reference.bins), JOINT])
    return total.sort("hour", "slice", pl.col("column").cast(place))


def _side_by_side(
    counted: Callable[[pl.DataFrame], pl.DataFrame],
    batches: Iterable[pl.DataFrame],
    threads: int,
) -> Iterator[pl.DataFrame]:
    """Results in order, never reading far ahead: the batches are what takes memory."""
    running = deque[Future[pl.DataFrame]]()
    with ThreadPoolExecutor(threads) as pool:
        for batch in batches:
            running.append(pool.submit(counted, batch))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
