"""Overlap: whether the rows that judge a version were among those it learned from."""

from __future__ import annotations

from datetime import UTC

import numpy as np

from holdfast.gate.evidence import GateEvidence, Span
from holdfast.gate.sentences import plural
from holdfast.records import Check
from holdfast.statistics.losses import Array

NAME = "overlap"


def check_overlap(evidence: GateEvidence) -> Check | None:
    """Says how many held-out rows lie inside a version's training span.

    Rows the candidate learned from flatter it, so the comparison proves nothing: inconclusive.
    Rows the champion learned from flatter the champion; the candidate's pass holds all the more,
    so this is only stated. The end of a span itself counts as outside, because a split by time puts
    the boundary's rows into the test.

    Returns:
        The check, or None when times or the candidate's span are not known.
    """
    if evidence.time is None or evidence.trained is None:
        return None
    own = _inside(evidence.time, evidence.trained)
    other = 0
    if evidence.champion is not None and evidence.champion_trained is not None:
        other = _inside(evidence.time, evidence.champion_trained)
    if own:
        said = (
            f"{own:,} of {plural(evidence.rows, 'held-out row')} lie in the training span of "
            f"version {evidence.version} itself: its numbers are flattered"
        )
    elif other:
        said = (
            f"{other:,} of {plural(evidence.rows, 'held-out row')} lie in the training span of "
            f"version {evidence.champion}: the comparison favours that version"
        )
    else:
        said = f"none of {plural(evidence.rows, 'held-out row')} was seen in training"
    return Check(
        name=NAME,
        outcome="inconclusive" if own else "pass",
        sentence=said,
        value=own,
        low=own,
        high=own,
        threshold=0,
        detail=({"candidate": own, "champion": other},),
    )


def _inside(time: Array, span: Span) -> int:
    start, end = (
        np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us") for moment in span
    )
    moments = np.asarray(time).astype("datetime64[us]")
    return int(np.count_nonzero((moments >= start) & (moments < end)))
