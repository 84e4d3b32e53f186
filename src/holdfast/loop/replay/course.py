"""A course: one way in which a history could have gone, from its beginning to its end.

Each course has a folder: what it is to do (``course.json``), its installation (``home``), how far
it is (``progress.json``) and what came of it (``outcome.json``, ``series.parquet``). A step that
was not finished is done again when the course goes on, and does the same: what it writes has a
name that follows from the step, as in production.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from holdfast.recording.folders import write_whole
from holdfast.records import Record
from holdfast.spec import Data, Spec, overlaid

Kind = Literal["loop", "scheduled", "without", "watched"]

COURSE, PROGRESS, OUTCOME, SERIES, ERROR = (
    "course.json", "progress.json", "outcome.json", "series.parquet", "error.json",
)  # fmt: skip


class Course(Record, frozen=True, kw_only=True):
    """What to do.

    Args:
        name: of the course, for people.
        kind: ``loop`` runs the whole loop under a policy; ``scheduled`` trains and releases by the
            clock, without gate and monitor; ``without`` leaves the first version alone;
            ``watched`` monitors the predictions of an existing model.
        file: the ``holdfast.toml``.
        text: its content, when the replay was ordered.
        data: what the columns of the history mean.
        policy: tables that are different in this course.
        history: Parquet file of the rows.
        prediction: for ``watched``, the column of what the existing model answered.
        begin: when the first version goes live; ``end`` when the replay is over.
        every: seconds between two looks while no release is under way.
        schedule: for ``scheduled``, a cron expression (UTC).
        first: folder of the first version's estimator, which all courses share.
    """

    name: str
    kind: Kind
    file: str
    text: str
    data: Data
    history: str
    begin: datetime
    end: datetime
    every: float
    policy: dict[str, dict[str, object]] = {}
    prediction: str | None = None
    schedule: str = ""
    first: str = ""

    def spec(self) -> Spec:
        """The spec under this course's policy."""
        spec = overlaid(self.text, self.policy, Path(self.file))
        meant: Spec = msgspec.structs.replace(spec, data=self.data)
        return meant


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a course is.

    Args:
        until: everything before it is done.
        rows: rows asked about so far.
        costs: seconds that each training job took, by its key.
    """

    until: datetime
    rows: int = 0
    costs: dict[str, float] = {}

    def save(self, folder: Path) -> None:
        """Replaces what is there, at once and durably."""
        write_whole(folder / PROGRESS, msgspec.json.encode(self))

    @classmethod
    def load(cls, folder: Path, begin: datetime) -> Progress:
        """What is there, or the beginning."""
        try:
            return msgspec.json.decode((folder / PROGRESS).read_bytes(), type=cls)
        except FileNotFoundError:
            return cls(until=begin)
