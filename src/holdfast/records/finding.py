"""A finding: one thing the monitor established, and how sure it is."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time

FindingKind = Literal[
    "input_drift",
    "prediction_drift",
    "estimated_loss",
    "realised_loss",
    "contract",
    "silence",
    "label_delay",
]


HELD = "tolerated before"
"""Subject of a measured loss above what was tolerated when the incident began, by a version that
went live since and keeps its own promise."""


class Finding(Record, frozen=True, kw_only=True):
    """One thing established about one version in production.

    Args:
        id: derived from its content, so that finding it twice is finding it once.
        pages: whether it may wake somebody; drift never does.
        since: first block or label from which the evidence speaks.
        value: effect, in the unit of its kind (loss, or rank-Wasserstein distance in [0, 1]).
        log_e: log of the e-value or of the e-detector's statistic.
        log_threshold: what ``log_e`` was held against.
        harm: for drift, the change of mean loss that is expected to go with it; that of a slice,
            as far as its rows change the mean of all.
        slice: for drift, of whose rows, such as ``origin=JFK``; "" for all.
    """

    id: str
    model: str
    version: int
    kind: FindingKind
    subject: str
    pages: bool
    since: Time
    at: Time
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    log_e: float | None = None
    log_threshold: float | None = None
    rows: int = 0
    harm: float | None = None
    slice: str = ""
