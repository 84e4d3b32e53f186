"""A job: work in a process of its own, done once however often the machine dies."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from holdfast.records.base import Record, Time


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(Record, frozen=True, kw_only=True):
    """One piece of work.

    Args:
        key: unique; enqueueing the same key twice is enqueueing it once.
        kind: ``train`` or ``gate``.
        payload: what to do, as plain values.
        attempt: how often a process was started for it.
        pid: process that runs it, with ``pid_started`` (seconds since 1970) against pid reuse.
        step: last step it finished; a restarted job goes on after it.
        result: what came out, as plain values; errors have ``code``, ``message``, ``fix``.
    """

    id: str
    key: str
    kind: str
    model: str
    state: JobState
    payload: dict[str, Any]
    created_at: Time
    attempt: int = 0
    pid: int | None = None
    pid_started: float | None = None
    step: str = ""
    progress: dict[str, Any] = {}
    result: dict[str, Any] = {}
    finished_at: Time | None = None
