"""Columns and ids as they are recorded, where they meet those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import polars as pl

from holdfast.bundle.columns import from_polars, to_values
from holdfast.bundle.redaction import Redaction
from holdfast.records import Signature

_PREDICTION_ID = re.compile(r"p-[0-9a-f]{24}(:\d+)?")


def recorded_columns(
    rows: pl.DataFrame, features: Sequence[str], signature: Signature, redaction: Redaction
) -> pl.DataFrame:
    """The features of dataset rows as a server would record them.

    What is dropped is left out, so that nothing expects it of the log.
    """
    policy = redaction.policy
    lists = [
        pl.col(name).arr.to_list() for name in features if isinstance(rows.schema[name], pl.Array)
    ]
    rows = rows.with_columns(lists)
    if not policy.redact:
        return rows.select(features)
    plain = to_values(from_polars(rows, signature))
    kept = []
    for name in features:
        how = policy.redact.get(name)
        if how is None:
            kept.append(rows[name])
        elif how == "hash":
            kept.append(pl.Series(name, redaction.column(name, plain[name]), dtype=pl.String))
    return pl.DataFrame(kept)


def recorded_ids(
    ids: pl.Series, policies: Sequence[Redaction], log: Callable[[], pl.LazyFrame]
) -> pl.Series:
    """The ids of labels as those of their predictions are recorded.

    Args:
        ids: as they came: callers' own ids, and prediction ids, which are never hashed.
        policies: what holds for predictions to come first; then those of versions before.
        log: reads the model's predictions; asked only where ids are hashed. An id that is recorded
            as it came stays as it is, so that labels of predictions from before a change of policy
            find them.
    """
    hashing = [redaction for redaction in policies if redaction.hashes_id]
    if not hashing:
        return ids
    hashed = pl.Series("hashed", hashing[0].ids(ids.to_list()), dtype=pl.String)
    frame = pl.DataFrame({"id": ids, "hashed": hashed})
    recorded = log().select("id").unique()
    known = [
        frame.lazy().select(name).join(recorded, left_on=name, right_on="id", how="semi").collect()
        for name in ("id", "hashed")
    ]
    raw = pl.col("id").is_in(known[0]["id"].implode())
    raw |= pl.col("id").str.contains(f"^{_PREDICTION_ID.pattern}$")
    if not policies[0].hashes_id:
        raw |= ~pl.col("hashed").is_in(known[1]["hashed"].implode())
    return frame.select(pl.when(raw).then("id").otherwise("hashed").alias("id"))["id"]
