"""Quality of young cohorts, corrected for labels that are still to come.

Labels of one outcome often come sooner than those of the other, so the labels that are there are
no fair sample. In each cell k = (predicted class, label) the labels of a cohort are divided by the
share that has come by its age: N̂_k = n_k / F_k, F_k = P(delay ≤ age | k), learned from predictions
old enough that all their labels are there. Within each predicted class the N̂_k are scaled to the
predictions that were made, which weighs by the inverse of the propensity to be labelled.

Assumes that delays have not changed (:mod:`holdfast.monitoring.delays` watches them), and that
within a cell neither the delay nor being labelled at all goes with the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.quality import ClassLabel, Cohort, Corrected
from holdfast.records import Metric
from holdfast.spec import Task

LEAST_SEEN = 0.2
LEAST_LABELS = 30
LEAST_BLOCKS = 5
MATURE = 1.5
_MOST_BLOCKS = 90
_DRAWS = 400
_RARE = 0.005
_ENOUGH = 0.95  # of a mature cohort: what is still missing will hardly come, nor change much
_MOST_ROWS = 20_000
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class _Learned(NamedTuple):
    """Labels of mature predictions: stratum, outcome, delay in µs, and block, (n,) each."""

    stratum: Indices
    outcome: Indices
    delay: Indices
    block: Indices
    blocks: int


class _Young(NamedTuple):
    """One cohort by cell.

    Args:
        rows: (S,) predictions of each stratum.
        ages: their ages in µs, sorted; of a mature cohort longer than any delay.
        n: (S, K) labels; ``loss`` their mean loss, ``error`` the standard error of that.
    """

    rows: Floats
    ages: tuple[Indices, ...]
    n: Floats
    loss: Floats
    error: Floats


def mature_until(known: pl.DataFrame, until: datetime) -> datetime | None:
    """Predictions before this have all the labels they will get; None while there are no labels.

    One and a half times the delay that all but 1 % of the labels kept. While long delays cannot
    have been seen yet, that lies before the first prediction.
    """
    if not known.height:
        return None
    longest = _delay(known).quantile(0.99, "higher") or 0.0
    return until - timedelta(microseconds=MATURE * max(longest, 0.0))


def correct(
    cohorts: Sequence[Cohort],
    outcomes: pl.DataFrame,
    known: pl.DataFrame,
    *,
    until: datetime,
    length: timedelta,
    task: Task,
    classes: Sequence[ClassLabel] = (),
    positive: ClassLabel = 1,
) -> tuple[Cohort, ...]:
    """Adds to each cohort that lacks labels what its quality will be when they are there.

    Args:
        cohorts: of :func:`holdfast.monitoring.quality.quality`.
        outcomes: all predictions, as :func:`holdfast.monitoring.quality.labelled` takes them.
        known: what that made of them.
        until: labels that came later do not exist yet.
        length: of a block.
        task: what is predicted; values of a regression are classed by their quartiles.
        classes: class labels.
        positive: label of the positive class.
    """
    ripe = mature_until(known, until)
    if ripe is None or not cohorts:
        return tuple(cohorts)
    first = cohorts[0].start
    start = (pl.col("at") - first).dt.total_microseconds() // (length // timedelta(microseconds=1))
    cells = known.select(
        "at", "loss", _stratum(outcomes, task).alias("stratum"), block=start,
        delay=_delay(known).clip(0),
        outcome=outcome_codes(known["label"], task, classes, positive),
    )  # fmt: skip
    made = outcomes.filter(pl.col("score").is_not_null())
    made = made.select("at", _stratum(outcomes, task).alias("stratum"), block=start)
    names = _names(task, classes, positive)
    shape = (_size(made["stratum"]), max(_size(cells["outcome"]), len(names)))
    learned = _learn(cells.filter(pl.col("at") < ripe))
    parts = made.partition_by("block", as_dict=True)
    labels = cells.partition_by("block", as_dict=True)
    result = []
    for one in cohorts:
        key = ((one.start - first) // length,)
        mature = one.start + length <= ripe
        if key not in parts or one.maturity >= (_ENOUGH if mature else 1.0):
            result.append(one)
            continue
        seen = _FOREVER if mature else until
        young = _young(parts[key], labels.get(key, cells.head(0)), seen, shape)
        result.append(replace(one, corrected=_corrected(young, learned, names)))
    return tuple(result)


def _delay(known: pl.DataFrame) -> pl.Series:
    return (known["label_at"] - known["at"]).dt.total_microseconds()


def _size(codes: pl.Series) -> int:
    return int(codes.max() or 0) + 1 if codes.len() else 1  # type: ignore[arg-type]


def _names(
    task: Task, classes: Sequence[ClassLabel], positive: ClassLabel
) -> tuple[ClassLabel, ...]:
    """The labels in the order of their codes; none for the quartiles of a regression."""
    if task == "binary":
        return (*([one for one in classes if one != positive] or [False]), positive)
    return tuple(classes) if task == "multiclass" else ()


def _stratum(outcomes: pl.DataFrame, task: Task) -> pl.Expr:
    """The predicted class of a score, as a number from 0."""
    score = pl.col("score")
    if task == "binary":
        return (score >= 0.5).cast(pl.Int64)
    if task == "multiclass":
        return score.list.arg_max().cast(pl.Int64)
    return _quartile(score, outcomes["score"])


def outcome_codes(
    labels: pl.Series, task: Task, classes: Sequence[ClassLabel], positive: ClassLabel
) -> pl.Series:
    """Labels as numbers from 0: binary the positive is 1; of a regression the quartile."""
    if task == "binary":
        return (labels == positive).cast(pl.Int64)
    if task == "multiclass":
        codes = {label: code for code, label in enumerate(classes)}
        return labels.replace_strict(codes, default=len(codes), return_dtype=pl.Int64)
    return labels.to_frame("label").select(_quartile(pl.col("label"), labels)).to_series()


def _quartile(column: pl.Expr, values: pl.Series) -> pl.Expr:
    known = values.drop_nulls()
    edges = [known.quantile(q) for q in (0.25, 0.5, 0.75)] if known.len() else []
    return pl.sum_horizontal([pl.lit(0), *(column > edge for edge in edges)]).cast(pl.Int64)


def _learn(mature: pl.DataFrame) -> _Learned:
    """The newest mature labels: at most of 90 blocks, and evenly spread over these 20,000 rows."""
    newest = mature.filter(pl.col("block") > int(mature["block"].max() or 0) - _MOST_BLOCKS)  # type: ignore[arg-type]
    newest = newest.gather_every(max(newest.height // _MOST_ROWS, 1))
    stratum, outcome, delay, block = (
        newest[name].to_numpy() for name in ("stratum", "outcome", "delay", "block")
    )
    found, place = np.unique(block, return_inverse=True)
    return _Learned(stratum, outcome, delay, place, found.size)


def _young(
    rows: pl.DataFrame, labels: pl.DataFrame, until: datetime, shape: tuple[int, int]
) -> _Young:
    age = (until - pl.col("at")).dt.total_microseconds()
    ages = rows.select("stratum", age=age).sort("age")
    strata = [ages.filter(pl.col("stratum") == s)["age"].to_numpy() for s in range(shape[0])]
    cell = labels["stratum"].to_numpy() * shape[1] + labels["outcome"].to_numpy()
    loss = labels["loss"].to_numpy()
    size = shape[0] * shape[1]
    n, total, squares = (
        np.bincount(cell, weights=w, minlength=size) for w in (np.ones(loss.size), loss, loss**2)
    )
    centre = (total + 0.5) / (n + 1)  # as if one more loss of a half had been seen
    variance = (squares + 0.25) / (n + 1) - centre**2 + 0.25 / (n + 1)
    return _Young(
        rows=np.array([one.size for one in strata], dtype=np.float64),
        ages=tuple(strata),
        n=n.reshape(shape).astype(np.float64),
        loss=np.where(n > 0, total / np.maximum(n, 1), centre).reshape(shape),
        error=np.sqrt(np.maximum(variance, 0) / (n + 1)).reshape(shape),
    )


def _corrected(young: _Young, learned: _Learned, names: Sequence[ClassLabel]) -> Corrected:
    if learned.blocks < LEAST_BLOCKS:
        reason = f"{learned.blocks} of at least {LEAST_BLOCKS} blocks have all their labels"
        return Corrected(reason=f"cannot say yet: {reason}")
    rng = np.random.default_rng(0)
    came, draws = _came(young, learned, rng)
    reason = _refusal(young, came, learned, names)
    if reason:
        return Corrected(reason=f"cannot say: {reason}")
    share = _shares(young.n, came, young.rows)
    # A Dirichlet draw over the cells and the unlabelled, which are what a cohort consists of.
    missing = np.maximum(young.rows - young.n.sum(axis=1), 0.0)
    base = np.concatenate([young.n, missing[:, None]], axis=1) + 1.0 / (young.n.shape[1] + 1)
    drawn = rng.standard_gamma(np.broadcast_to(base, (_DRAWS, *base.shape)))
    drawn *= young.rows[:, None] / drawn.sum(axis=2, keepdims=True)
    shares = _shares(drawn[:, :, :-1], np.maximum(draws, LEAST_SEEN / 2), young.rows)
    losses = (shares * (young.loss + young.error * rng.normal(size=shares.shape))).sum(axis=(1, 2))
    value = float((share * young.loss).sum())
    low, high = _between(losses, value)
    n = int(young.n.sum())
    by_label, drawn_labels = share.sum(axis=0), shares.sum(axis=1)
    return Corrected(
        loss=value, low=low, high=high,
        labels=tuple(
            Metric(
                name=str(name), value=float(by_label[k]), n=n,
                low=_between(drawn_labels[:, k], float(by_label[k]))[0],
                high=_between(drawn_labels[:, k], float(by_label[k]))[1],
            )
            for k, name in enumerate(names)
        ),
    )  # fmt: skip


def _came(young: _Young, learned: _Learned, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(S, K) share of the labels of each cell that come by the ages of the cohort; and draws of it.

    The draws take whole blocks again and again, since the delays of a day resemble one another.
    Cells with few mature labels take the share of their label in all strata.
    """
    strata, labels = young.n.shape
    size = strata * labels
    cell = learned.block * size + learned.stratum * labels + learned.outcome
    seen = np.zeros(cell.size)
    for s, ages in enumerate(young.ages):
        of = learned.stratum == s
        if ages.size:
            seen[of] = 1 - np.searchsorted(ages, learned.delay[of], side="left") / ages.size
        # A stratum without predictions takes part only in what is said of a label as a whole.
    count, by = (
        np.bincount(cell, weights=w, minlength=learned.blocks * size).reshape(-1, strata, labels)
        for w in (np.ones(cell.size), seen)
    )
    weights = rng.multinomial(
        learned.blocks, np.full(learned.blocks, 1 / learned.blocks), _DRAWS
    ).astype(np.float64)
    weights = np.concatenate([np.ones((1, learned.blocks)), weights])
    counts, seens = (np.tensordot(weights, table, axes=1) for table in (count, by))
    few = counts[0] < LEAST_LABELS
    pooled = seens.sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = np.where(few | (counts == 0), pooled, seens / np.maximum(counts, 1))
    return shares[0], shares[1:]


def _refusal(young: _Young, came: Floats, learned: _Learned, names: Sequence[ClassLabel]) -> str:
    """Why nothing can be said; empty when something can."""
    strata, labels = young.n.shape
    usual = np.bincount(learned.stratum * labels + learned.outcome, minlength=strata * labels)
    usual = usual.reshape(strata, labels)
    matters = (young.rows[:, None] > 0) & (usual > _RARE * max(usual.sum(), 1))
    short = np.argwhere(matters & (came < LEAST_SEEN))
    if short.size:
        _, k = (int(i) for i in short[0])
        name = f"the labels '{names[k]}'" if k < len(names) else "some labels"
        return f"of {name} only {came[tuple(short[0])]:.0%} come so soon"
    empty = (young.rows > 0.05 * young.rows.sum()) & (young.n.sum(axis=1) == 0)
    if empty.any():
        share = young.rows[empty].sum() / young.rows.sum()
        return f"{share:.0%} of the predictions are of a kind that has no labels here"
    return ""


def _shares(n: Floats, came: Floats, rows: Floats) -> Floats:
    """(…, S, K) share of all predictions in each cell; strata without labels take no part."""
    whole = n / np.where(came > 0, came, 1.0)
    within = whole / np.maximum(whole.sum(axis=-1, keepdims=True), 1e-12)
    shares = rows[:, None] * within
    return np.asarray(shares / np.maximum(shares.sum(axis=(-2, -1), keepdims=True), 1e-12))


def _between(draws: Floats, value: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return max(min(float(low), value), 0.0), min(max(float(high), value), 1.0)
