"""What two versions' answers to the same rows say; anytime-valid, so look as often as you like.

Each test is an e-process (``statistics.eprocess``): under its null hypothesis it exceeds 1/α at
any time, ever, with probability at most α (Ville 1939). For that to hold over repeated looks the
rows must form one growing sequence: a later look may only add rows behind those of an earlier one.
Pairs come in the order of their prediction. Labels come late and out of that order, so pairs with
a label are put in the order in which their labels became known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from holdfast.records import Evidence
from holdfast.release.latency import NO_PAIRS, Slower
from holdfast.spec import Task
from holdfast.statistics.eprocess import bounded_mean_log_e, mean_log_e, paired_log_e
from holdfast.statistics.losses import bounded_loss

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SLACK_FACTOR = 1.5
SLACK = 0.02


def tolerated_disagreement(expected: float, more: float = 0.0) -> float:
    """The mean disagreement that is still no reason to stop: 0.02 more than 1.5 · expected, or than
    expected + ``more``.

    ``expected`` was measured on held-out rows of the past; traffic of another hour or season may
    disagree somewhat more without anything being wrong. A version that is broken in serving (wrong
    unit, lost column, swapped classes) disagrees by several times as much. The addend is for
    versions that hardly differ, where a factor alone would leave no room.

    Args:
        expected: mean over all held-out rows, or over those of a slice.
        more: what the worst day adds (:func:`strange_day`).

    >>> round(tolerated_disagreement(0.04), 3), round(tolerated_disagreement(0.04, 0.08), 3)
    (0.08, 0.14)
    """
    return min(max(expected * SLACK_FACTOR, expected + more) + SLACK, 0.99)


def strange_day(gap: Floats, time: npt.NDArray[np.datetime64], fewest: int = 100) -> float:
    """How much more two versions surely differed on one held-out day than on the whole.

    On a day of storms they differ as on no other, and a canary of that day has nothing but that
    day. At most twice the mean counts, so that one broken day cannot excuse everything.

    Args:
        gap: (n,) :func:`disagreement` of held-out rows.
        time: (n,) of the rows.
        fewest: rows of a day that counts; of its mean two standard errors are taken off.

    >>> days = np.array(["2013-07-01", "2013-07-01", "2013-07-02"], dtype="datetime64[s]")
    >>> round(strange_day(np.array([0.15, 0.15, 0.3]), days, fewest=1), 3)
    0.1
    """
    _, day, rows = np.unique(time.astype("datetime64[D]"), return_inverse=True, return_counts=True)
    means = np.bincount(day, weights=gap) / rows
    squares = np.maximum(np.bincount(day, weights=gap**2) / rows - means**2, 0.0)
    surely = (means - 2 * np.sqrt(squares / rows))[rows >= fewest]
    whole = _mean(gap)
    return float(np.clip(surely.max() - whole, 0.0, 2 * whole)) if surely.size else 0.0


def disagreement(task: Task, new: Array, old: Array, scale: float = 1.0) -> Floats:
    """How far two answers are apart, row by row, in [0, 1].

    Binary: |p − q|; multiclass: total variation ½·Σ|pₖ − qₖ|; regression: min(|Δ| / scale, 1).

    Args:
        task: what is predicted.
        new: (n,) scores of the challenger; multiclass (n, k).
        old: scores of the champion, likewise.
        scale: regression: the difference that counts as 1, in the unit of the label.

    >>> disagreement("regression", np.array([1.0, 9.0]), np.array([2.0, 2.0]), scale=4.0)
    array([0.25, 1.  ])
    """
    gap = np.abs(np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64))
    if task == "multiclass":
        gap = gap.sum(axis=1) / 2
    elif task == "regression":
        gap = gap / scale
    return np.clip(gap, 0.0, 1.0)


def disagreement_by_slice(
    gap: Floats, slices: Mapping[str, Array], fewest: int = 100
) -> dict[str, float]:
    """The mean of :func:`disagreement` for each value of some columns that has enough rows.

    >>> disagreement_by_slice(np.array([0.1, 0.3, 0.9]), {"kind": ["a", "a", "b"]}, fewest=2)
    {'kind=a': 0.2}
    """
    found = {}
    for column, values in slices.items():
        texts = np.asarray(values).astype(str)
        names, counts = np.unique(texts, return_counts=True)
        for name in names[counts >= fewest]:
            found[f"{column}={name}"] = float(gap[texts == name].mean())
    return found


def compare(
    *,
    task: Task,
    score_new: Array,
    score_old: Array,
    error_new: Array,
    error_old: Array,
    expected: float,
    margin: float,
    tolerance: float = 0.0,
    truth: Array | None = None,
    labelled: Array | None = None,
    label_at: Array | None = None,
    seconds_new: Array | None = None,
    request: Array | None = None,
    slices: Mapping[str, Array] | None = None,
    expected_by_slice: Mapping[str, float] | None = None,
    strange_day: float = 0.0,
    late: Slower = NO_PAIRS,
    classes: Sequence[bool | int | str] = (),
    positive: bool | int | str = 1,
    scale: float = 1.0,
) -> Evidence:
    """The evidence on a challenger, from rows that both versions were asked to score.

    Args:
        task: what is predicted.
        score_new: (n,) scores of the challenger in the order of prediction; multiclass (n, k).
            Values of rows that failed are ignored; one that is not finite counts as failed.
        score_old: scores of the champion, likewise.
        error_new: (n,) True where the challenger failed to answer.
        error_old: (n,) True where the champion failed to answer.
        expected: mean disagreement the gate measured on held-out rows.
        margin: mean bounded loss by which the challenger may be worse and still be fine.
        tolerance: mean bounded loss by which it may be worse without being stopped.
        truth: (n,) raw labels.
        labelled: (n,) True where ``truth`` is known; by default where it is not None or NaN.
        label_at: (n,) when labels became known, seconds; by default in the order of the rows.
        seconds_new: (n,) time the challenger took.
        request: (n,) number of the request that each row came in, growing; each row its own by
            default. The rows of a request fail together, so that they are one failure.
        slices: column → (n,) its values.
        expected_by_slice: mean disagreement the gate measured, by ``column=value``.
        strange_day: how much more that was on the worst held-out day (:func:`strange_day`).
        late: what :func:`slower` says of the requests that were answered.
        classes: class labels, for multiclass.
        positive: label of the positive class, for binary.
        scale: regression: the error that counts as loss 1, in the unit of the label.

    Returns:
        Counts, means and the present log e-values; 0 where there is nothing to judge by.

    Raises:
        DataError: when a label is unknown.
    """
    failed_new = np.asarray(error_new, dtype=bool) | ~_finite(score_new)
    failed_old = np.asarray(error_old, dtype=bool) | ~_finite(score_old)
    both = ~failed_new & ~failed_old
    new, old = np.asarray(score_new)[both], np.asarray(score_old)[both]
    gap = disagreement(task, new, old, scale)
    rows = _labelled(both, truth, labelled, label_at)
    how = {"classes": classes, "positive": positive, "scale": scale}
    worse = _loss_difference(rows, task, truth, (score_new, score_old), how)
    failures = _by_request(failed_new.astype(float) - failed_old.astype(float), request)
    apart = _apart(gap, both, expected, slices or {}, expected_by_slice or {}, strange_day)
    return Evidence(
        pairs=int(both.sum()),
        errors=int(failed_new.sum()),
        champion_errors=int(failed_old.sum()),
        disagreement=_mean(gap),
        expected=expected,
        **apart.fields(),
        **_loss(worse, tolerance, margin),
        log_e_errors=_last(paired_log_e(failures, 0.0, "greater")),
        latency_p99=_p99(seconds_new, ~failed_new),
        latency_pairs=late.pairs,
        log_e_slow=late.log_e,
    )


def _loss(worse: Floats, tolerance: float, margin: float) -> dict[str, Any]:
    """The fields of the evidence that labels decide."""
    return {
        "labelled": len(worse),
        "loss_difference": _mean(worse),
        "log_e_worse": _last(paired_log_e(worse, tolerance, "greater")),
        "log_e_fine": _last(paired_log_e(worse, margin, "less")),
    }


class _Apart(NamedTuple):
    """Disagreement over all rows and by slice; the slice that speaks loudest, if any speaks."""

    log_e: float
    slice: str = ""
    seen: float = 0.0
    expected: float = 0.0

    def fields(self) -> dict[str, Any]:
        """As the evidence names them."""
        names = ("log_e_disagree", "slice", "slice_disagreement", "slice_expected")
        return dict(zip(names, self, strict=True))


def _apart(
    gap: Floats,
    both: Mask,
    expected: float,
    slices: Mapping[str, Array],
    expected_by_slice: Mapping[str, float],
    more: float,
) -> _Apart:
    """One test of "nowhere more than tolerated": half of the capital bets on all rows, the other
    half in equal parts on the slices. The sum is an e-process, so that any number of slices costs
    no false alarm; only the capital of each is smaller.
    """
    whole = _last(bounded_mean_log_e(gap, tolerated_disagreement(expected, more)))
    found = []
    for name, usual in expected_by_slice.items():
        column, _, value = name.partition("=")
        if column in slices:
            here = gap[np.asarray(slices[column])[both].astype(str) == value]
            log_e = _last(bounded_mean_log_e(here, tolerated_disagreement(usual, more)))
            found.append(_Apart(log_e, name, _mean(here), usual))
    if not found:
        return _Apart(whole)
    parts = mean_log_e(np.array([[one.log_e] for one in found]))
    joined = _last(mean_log_e(np.stack([np.array([whole]), parts])))
    loudest = max(found)
    return loudest._replace(log_e=joined) if loudest.log_e > 0 else _Apart(joined)


def _by_request(values: Floats, request: Array | None) -> Floats:
    """The mean of each request, in their order."""
    if request is None or not len(values):
        return values
    _, first, counts = np.unique(np.asarray(request), return_index=True, return_counts=True)
    return np.asarray(np.add.reduceat(values, first) / counts, dtype=np.float64)


def _labelled(
    both: Mask, truth: Array | None, labelled: Array | None, label_at: Array | None
) -> npt.NDArray[np.intp]:
    """Indices of the pairs with a label, in the order in which the labels became known."""
    if truth is None:
        return np.zeros(0, dtype=np.intp)
    known = _known(truth) if labelled is None else np.asarray(labelled, dtype=bool)
    rows = np.flatnonzero(both & known)
    if label_at is None:
        return rows
    return rows[np.argsort(np.asarray(label_at, dtype=float)[rows], kind="stable")]


def _loss_difference(
    rows: npt.NDArray[np.intp],
    task: Task,
    truth: Array | None,
    scores: tuple[Array, Array],
    options: dict[str, Any],
) -> Floats:
    """Bounded loss of the challenger minus that of the champion, of the rows given."""
    if truth is None or not rows.size:
        return np.zeros(0)
    known = np.asarray(truth)[rows]
    if known.dtype == object:
        known = np.array(known.tolist())
    new, old = (bounded_loss(task, known, np.asarray(s)[rows], **options) for s in scores)
    return np.clip(new - old, -1.0, 1.0)


def _known(truth: Array) -> Mask:
    values = np.asarray(truth)
    if values.dtype.kind in "biuUS":
        return np.ones(len(values), dtype=bool)
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values), dtype=bool)
    return np.array([value is not None and value == value for value in values], dtype=bool)


def _finite(score: Array) -> Mask:
    """Rows whose score is a number throughout; None is none."""
    finite = np.isfinite(np.asarray(score, dtype=np.float64))
    return np.asarray(finite.all(axis=1) if finite.ndim == 2 else finite, dtype=bool)


def _last(process: Floats) -> float:
    return float(process[-1]) if len(process) else 0.0


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0


def _p99(seconds: Array | None, answered: Mask) -> float | None:
    if seconds is None or not answered.any():
        return None
    return float(np.quantile(np.asarray(seconds, dtype=np.float64)[answered], 0.99))
