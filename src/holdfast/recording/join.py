"""The join: what was answered beside what turned out to be true."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from holdfast.recording.labels import last_word

ANSWER = ("prediction_id", "id", "at", "version", "role", "error", "prediction", "score", "scores")
_LAST = ("label", "label_at", "received_at")
_SIDE = ("prediction", "score", "scores", "error", "seconds")


def outcomes(
    log: pl.LazyFrame, labels: pl.LazyFrame, until: datetime, columns: Sequence[str] = ()
) -> pl.DataFrame:
    """Each prediction until a time, with the label that was known by then, if any.

    A label belongs to the predictions whose caller's id or prediction id it names; when both were
    labelled, the later word wins.

    Args:
        log: as of ``PredictionLog.scan``; live and shadow rows are told apart by ``role``.
        labels: as of ``LabelStore.scan``.
        until: aware; later predictions and labels received later are left out.
        columns: further columns of the log to keep, such as features to slice by.

    Returns:
        ``prediction_id``, ``id``, ``at``, ``version``, ``role``, ``error``, ``prediction``,
        ``score``, ``scores``, ``label`` (text form; null when unknown), ``label_at``,
        ``received_at``, ``delay`` (seconds from answer to label), and ``columns``.
    """
    until = until.astimezone(UTC)
    rows = log.filter(pl.col("at") <= until).select(*ANSWER, *columns).collect()
    return with_delay(labelled(rows, _words(labels, until)), columns)


def with_delay(rows: pl.DataFrame, columns: Sequence[str] = ()) -> pl.DataFrame:
    """The columns of :func:`outcomes`, from rows with their labels."""
    delay = (pl.col("label_at") - pl.col("at")).dt.total_microseconds() / 1e6
    return rows.with_columns(delay=delay).select(*ANSWER, *_LAST, "delay", *columns)


def pairs(
    log: pl.LazyFrame,
    labels: pl.LazyFrame,
    version_a: int,
    version_b: int,
    start: datetime,
    until: datetime,
    columns: Sequence[str] = (),
) -> pl.DataFrame:
    """The rows that two versions both answered, one of them perhaps only in the shadow.

    Args:
        log: as of ``PredictionLog.scan``.
        labels: as of ``LabelStore.scan``.
        version_a: such as the challenger.
        version_b: such as the champion.
        start: aware; rows answered since.
        until: aware; later predictions and labels received later are left out.
        columns: further columns of the log to keep, such as features to slice by; null where the
            log has none of that name.

    Returns:
        One row a prediction, sorted by time: ``prediction_id``, ``id``, ``at`` (of the answer
        that was sent; else of ``version_a``), ``answered_by`` (the live version of the two, or
        null), for each side ``prediction_a``, ``score_a``, ``scores_a``, ``error_a``,
        ``seconds_a`` and so on with ``_b``, ``label`` (null when unknown), ``label_at``,
        ``received_at``, and ``columns``.
    """
    until = until.astimezone(UTC)
    missing = set(columns).difference(log.collect_schema().names()) if columns else set()
    log = log.with_columns(pl.lit(None).alias(name) for name in sorted(missing))
    rows = log.filter(
        pl.col("at").is_between(start.astimezone(UTC), until)
        & pl.col("version").is_in([version_a, version_b])
    )
    rows = rows.select("prediction_id", "id", "at", "version", "role", *_SIDE, *columns)
    found = rows.collect()
    one, other = (
        _side(found, version, end) for version, end in ((version_a, "a"), (version_b, "b"))
    )
    both = one.join(other.drop("id", *columns), on="prediction_id")
    live_a, live_b = pl.col("role_a") == "live", pl.col("role_b") == "live"
    both = both.with_columns(
        answered_by=pl.when(live_a).then(version_a).when(live_b).then(version_b).cast(pl.Int64),
        at=pl.when(live_b & ~live_a).then("at_b").otherwise("at_a"),
    )
    sides = [f"{name}_{end}" for end in "ab" for name in _SIDE]
    return (
        labelled(both, _words(labels, until))
        .sort("at", "prediction_id")
        .select("prediction_id", "id", "at", "answered_by", *sides, *_LAST, *columns)
    )


def _side(rows: pl.DataFrame, version: int, end: str) -> pl.DataFrame:
    """One version's answers, one a prediction id: the live one where it has both."""
    side = rows.filter(pl.col("version") == version).drop("version").sort("role")
    side = side.unique("prediction_id", keep="first")
    return side.rename({name: f"{name}_{end}" for name in ("at", "role", *_SIDE)})


def _words(labels: pl.LazyFrame, until: datetime) -> pl.DataFrame:
    return last_word(labels.filter(pl.col("received_at") <= until)).collect()


def labelled(rows: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Adds ``label``, ``label_at`` and ``received_at`` by ``id`` and ``prediction_id``.

    Args:
        rows: answers.
        words: as of :func:`holdfast.recording.labels.last_word`.
    """
    words = words.select("id", "label", "received_at", label_at="at")
    result = rows.join(words, on="id", how="left", maintain_order="left")
    foreign = rows["id"] != rows["prediction_id"]
    if not foreign.any():
        return result
    by_answer = words.rename({name: f"{name}_2" for name in words.columns})
    result = result.join(
        by_answer, left_on="prediction_id", right_on="id_2", how="left", maintain_order="left"
    )
    first, second = pl.col("label_at"), pl.col("label_at_2")
    later = (second > first) | (
        (second == first) & (pl.col("received_at_2") > pl.col("received_at"))
    )
    use = second.is_not_null() & (first.is_null() | later)
    return result.with_columns(
        pl.when(use).then(f"{name}_2").otherwise(name).alias(name) for name in _LAST
    ).drop(f"{name}_2" for name in _LAST)
