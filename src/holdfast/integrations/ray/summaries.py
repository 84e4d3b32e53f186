"""Summaries of a partitioned history, one task a partition, on a Ray cluster.

Adding up is exact, so the result is that of one machine, bit by bit, whatever ran where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from holdfast.errors import UsageError
from holdfast.monitoring import history
from holdfast.records import Reference


def summarise(
    partitions: Sequence[str],
    reference: Reference,
    *,
    model: str,
    version: int,
    slices: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    at_column: str | None = "at",
    address: str | None = None,
) -> pl.DataFrame:
    """As :func:`holdfast.monitoring.history.summarise`, on a cluster.

    Args:
        partitions: Parquet files, folders or patterns that every node can read; a task each.
        reference: of the version.
        model: name that is written into the summaries.
        version: number that is written into them.
        slices: columns whose values get summaries of their own.
        columns: name in the reference → name in the history, where they differ.
        at_column: time of the prediction; None: all rows are of one hour.
        address: of the cluster; None: the one this process is connected to, or a new one here.

    Returns:
        Stored rows, by hour, slice and column.

    Raises:
        UsageError: when Ray is not installed.
        DataError: when a partition lacks a column.
    """
    try:
        import ray
    except ImportError:
        raise UsageError(
            "summaries.no_ray", "Ray is not installed", "Install it: pip install 'holdfast[ray]'."
        ) from None
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False)
    options = {
        "model": model, "version": version, "slices": tuple(slices), "columns": columns,
        "at_column": at_column,
    }  # fmt: skip
    task = ray.remote(_partition)
    shared = ray.put(reference.to_json())
    running = [task.remote(path, shared, options) for path in partitions]

    def finished() -> Iterator[pl.DataFrame]:
        left = running
        while left:
            done, left = ray.wait(left)
            yield ray.get(done[0])

    return history.add_up(finished(), reference)


def _partition(path: str, reference: bytes, options: dict[str, object]) -> pl.DataFrame:
    found = pl.scan_parquet(path)
    return history.summarise(found, Reference.from_json(reference), **options)  # type: ignore[arg-type]
