"""Jobs: a durable queue that does each key once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from holdfast.errors import ConflictError, NotFoundError
from holdfast.ports.ids import new_id
from holdfast.records import Job, JobState
from holdfast.store.rows import first, put, several
from holdfast.store.tables import jobs

_ACTIVE = (JobState.QUEUED.value, JobState.RUNNING.value)


class Jobs:
    """Queued → running → done or failed; back to queued when the process died.

    A process that was given up may still be alive. It names its ``attempt`` with every write, and
    is refused once another attempt has begun.
    """

    def enqueue(
        self,
        tx: Connection,
        key: str,
        kind: str,
        model: str,
        payload: dict[str, Any],
        now: datetime,
    ) -> Job:
        """Queues a job; for a key that is known, returns the job that is there."""
        stored = first(tx, Job, select(jobs.c.record).where(jobs.c.key == key))
        if stored is not None:
            return stored
        return _save(
            tx,
            Job(
                id=new_id("job"),
                key=key,
                kind=kind,
                model=model,
                state=JobState.QUEUED,
                payload=payload,
                created_at=now,
            ),
        )

    def claim(self, tx: Connection, kinds: Collection[str] | None = None) -> Job | None:
        """Takes the oldest queued job and marks it as running, one attempt further.

        A running job without a process was claimed by someone who died before :meth:`start`.
        """
        query = select(jobs.c.record).where(jobs.c.state == JobState.QUEUED.value)
        if kinds is not None:
            query = query.where(jobs.c.kind.in_(kinds))
        job = first(tx, Job, query.order_by(jobs.c.created_at, jobs.c.id))
        if job is None:
            return None
        return _save(tx, _with(job, state=JobState.RUNNING, attempt=job.attempt + 1))

    def start(self, tx: Connection, job_id: str, pid: int, pid_started: float) -> Job:
        """Notes the process that runs a claimed job.

        Raises:
            ConflictError: when it is not running.
        """
        job = self._running(tx, job_id, None)
        return _save(tx, _with(job, pid=pid, pid_started=pid_started))

    def take(self, tx: Connection, job_id: str, pid: int, pid_started: float) -> Job:
        """Gives one job to a process, one attempt further; whoever had it is given up.

        Raises:
            ConflictError: when it has ended.
        """
        job = self.get(tx, job_id)
        if job.state not in (JobState.QUEUED, JobState.RUNNING):
            raise ConflictError("job.ended", f"job {job_id} is {job.state}")
        attempt = job.attempt + 1
        taken = _with(
            job, state=JobState.RUNNING, attempt=attempt, pid=pid, pid_started=pid_started
        )
        return _save(tx, taken)

    def checkpoint(
        self,
        tx: Connection,
        job_id: str,
        step: str,
        progress: dict[str, Any],
        attempt: int | None = None,
    ) -> Job:
        """Notes the last step that is finished.

        Raises:
            ConflictError: when the job is not running, or runs in a later attempt.
        """
        return _save(tx, _with(self._running(tx, job_id, attempt), step=step, progress=progress))

    def finish(
        self,
        tx: Connection,
        job_id: str,
        result: dict[str, Any],
        now: datetime,
        attempt: int | None = None,
    ) -> Job:
        """Ends a job well; ending it twice is ending it once.

        Raises:
            ConflictError: when it is neither running nor done, or runs in a later attempt.
        """
        return self._end(tx, job_id, JobState.DONE, result, now, attempt)

    def fail(
        self,
        tx: Connection,
        job_id: str,
        error: dict[str, Any],
        now: datetime,
        attempt: int | None = None,
    ) -> Job:
        """Ends a job badly; without ``attempt`` a queued one too.

        ``error`` has ``code``, ``message`` and ``fix``.

        Raises:
            ConflictError: when it is done, or runs in a later attempt.
        """
        return self._end(tx, job_id, JobState.FAILED, error, now, attempt)

    def requeue(self, tx: Connection, job_id: str) -> Job:
        """Queues a running job again, because its process is gone; its step is kept.

        Raises:
            ConflictError: when it is not running.
        """
        job = self._running(tx, job_id, None)
        return _save(tx, _with(job, state=JobState.QUEUED, pid=None, pid_started=None))

    def get(self, tx: Connection, job_id: str) -> Job:
        """One job.

        Raises:
            NotFoundError: when there is none of that id.
        """
        job = first(tx, Job, select(jobs.c.record).where(jobs.c.id == job_id))
        if job is None:
            raise NotFoundError("job.unknown", f"there is no job '{job_id}'")
        return job

    def active(self, tx: Connection, model: str | None = None) -> tuple[Job, ...]:
        """Queued and running ones, oldest first."""
        query = select(jobs.c.record).where(jobs.c.state.in_(_ACTIVE))
        if model is not None:
            query = query.where(jobs.c.model == model)
        return several(tx, Job, query.order_by(jobs.c.created_at, jobs.c.id))

    def recent(self, tx: Connection, model: str | None = None, limit: int = 50) -> tuple[Job, ...]:
        """In any state, newest first."""
        query = select(jobs.c.record).limit(limit)
        if model is not None:
            query = query.where(jobs.c.model == model)
        return several(tx, Job, query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()))

    def _end(
        self,
        tx: Connection,
        job_id: str,
        state: JobState,
        result: dict[str, Any],
        now: datetime,
        attempt: int | None,
    ) -> Job:
        job = self.get(tx, job_id)
        if job.state == state and attempt in (None, job.attempt):
            return job
        gives_up = state == JobState.FAILED and attempt is None
        if not (gives_up and job.state == JobState.QUEUED):
            job = self._running(tx, job_id, attempt)
        return _save(tx, _with(job, state=state, result=result, finished_at=now))

    def _running(self, tx: Connection, job_id: str, attempt: int | None) -> Job:
        job = self.get(tx, job_id)
        if job.state != JobState.RUNNING:
            raise ConflictError("job.not_running", f"job {job_id} is {job.state}, not running")
        if attempt not in (None, job.attempt):
            raise ConflictError(
                "job.stale",
                f"attempt {attempt} of job {job_id} was given up; attempt {job.attempt} runs",
                "Nothing is to be done: the later attempt goes on.",
            )
        return job


def _with(job: Job, **changes: Any) -> Job:
    return msgspec.structs.replace(job, **changes)


def _save(tx: Connection, job: Job) -> Job:
    put(
        tx,
        jobs,
        job,
        id=job.id,
        key=job.key,
        kind=job.kind,
        model=job.model,
        state=job.state.value,
        created_at=job.created_at,
    )
    return job
