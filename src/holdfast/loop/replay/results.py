"""What came of a replay: the records in ``result.json``."""

from __future__ import annotations

from typing import Literal

from holdfast.loop.replay.course import Kind
from holdfast.records import Record
from holdfast.records.base import Time

Truth = Literal["true", "false", "unknown"]


class Page(Record, frozen=True, kw_only=True):
    """A moment at which somebody would have been woken.

    Args:
        at: when, on the clock of the replay.
        kind: of the finding that pages first: ``realised_loss``, ``estimated_loss``, ``contract``
            or ``silence``.
        version: of which it speaks; 0 for an existing model.
        since: first prediction of which it speaks; ``until`` the last.
        truth: ``true`` when the loss of those predictions, by all labels of the history, lies above
            what is tolerated; else ``false``. ``unknown`` with fewer than 30 labels, and for broken
            or missing inputs that did no harm: labels cannot tell whether they were broken.
        loss: that loss; ``tolerated`` what it is held against, ``labels`` how many there are.
    """

    at: Time
    kind: str
    version: int
    since: Time
    until: Time
    sentence: str
    truth: Truth
    loss: float | None
    tolerated: float
    labels: int


class Harm(Record, frozen=True, kw_only=True):
    """A time in which the loss really was above what is tolerated, known with all labels.

    A stretch of blocks over which the excess loss adds up to more than three standard errors.

    Args:
        found_at: the first page, training for a finding, or rollback within it; None when it was
            missed.
        found_by: which of them.
        delay_hours: from its start until then.
    """

    start: Time
    end: Time
    loss: float
    tolerated: float
    labels: int
    found_at: Time | None = None
    found_by: str = ""
    delay_hours: float | None = None


class Training(Record, frozen=True, kw_only=True):
    """A training in the course of the replay.

    Args:
        at: when it was ordered.
        trigger: what called for it, such as ``drift`` or ``schedule``.
        version: what it made; None when it failed.
        rows: rows of its data; ``seconds`` what it took on this machine.
        outcome: ``live``, ``refused`` by the gate, ``stopped`` on its way live, ``taken_back``
            after it was live, ``waiting`` for its release when the replay ended, or ``failed``.
    """

    at: Time
    trigger: str
    reason: str
    version: int | None
    rows: int
    seconds: float
    outcome: str


class Change(Record, frozen=True, kw_only=True):
    """Another version went live."""

    at: Time
    version: int
    kind: Literal["release", "rollback"]


class Outcome(Record, frozen=True, kw_only=True):
    """What came of one course.

    Args:
        kind: ``loop``, ``scheduled``, ``without`` or ``watched``.
        policy: what its policy changes.
        rows: predictions; ``labelled`` of them have a label in the history.
        loss: mean bounded loss, in the scale of the first version.
        metric: value of the metric over all labelled predictions.
        tolerated: what harms are held against: the loss up to which the first version wakes nobody
            under the project's own policy.
        harmful_days: days within the harms.
    """

    name: str
    kind: Kind
    policy: dict[str, dict[str, object]]
    rows: int
    labelled: int
    loss: float | None
    metric: float | None
    tolerated: float
    pages: tuple[Page, ...] = ()
    harms: tuple[Harm, ...] = ()
    trainings: tuple[Training, ...] = ()
    changes: tuple[Change, ...] = ()
    harmful_days: float = 0.0

    @property
    def seconds(self) -> float:
        """What its trainings took on this machine."""
        return sum(one.seconds for one in self.trainings)

    @property
    def rollbacks(self) -> int:
        """How often a version was taken back."""
        return sum(change.kind == "rollback" for change in self.changes)


class Result(Record, frozen=True, kw_only=True):
    """A whole replay.

    Args:
        start: time of the history's first row; ``begin`` when the first version went live; ``end``
            when the replay was over.
        metric_name: scikit-learn's scorer name; greater is better.
        notes: what a reader must know, in sentences.
    """

    model: str
    task: str
    metric_name: str
    start: Time
    begin: Time
    end: Time
    rows: int
    first_rows: int
    courses: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()
