"""The durable local runner: each job is a process of its own that outlives the control plane.

A job claims itself in the database before it works, so however often a runner is killed and
started again, one process at most works on it; finished steps are not repeated.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import psutil

from holdfast.loop.container import Container
from holdfast.ports import faults
from holdfast.records import Job, JobState

ATTEMPTS = 3
PARALLEL = 1


def is_alive(job: Job) -> bool:
    """Whether the process that claimed the job still runs (and is not another of the same pid)."""
    if job.pid is None or job.pid_started is None:
        return False
    try:
        process = psutil.Process(job.pid)
        started = abs(process.create_time() - job.pid_started) < 1.0
        return bool(started and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class LocalRunner:
    """Starts queued jobs, adopts those that run, and starts again those whose process died."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._unclaimed: dict[str, int] = {}
        self._lock = threading.Lock()

    def tick(self) -> None:
        """One level-triggered pass: compares the job table with the processes of this machine."""
        with self._lock:
            self._reap()
            self._compare()

    def _compare(self) -> None:
        jobs = self._container.store.jobs
        running = 0
        for job in self._container.ask(jobs.active):
            if job.state == JobState.RUNNING and is_alive(job):
                running += 1
            elif job.id in self._started:
                running += 1  # started, has not claimed itself yet
            elif max(job.attempt, self._unclaimed.get(job.id, 0)) >= ATTEMPTS:
                self._give_up(job)
            elif running < PARALLEL:
                self._start(job)
                running += 1

    def has_ended(self) -> bool:
        """Whether a process that this runner started is gone, and was not looked at since."""
        return any(process.poll() is not None for process in list(self._started.values()))

    def _reap(self) -> None:
        for job_id, process in list(self._started.items()):
            status = process.poll()
            if status is not None:
                del self._started[job_id]
            if status:  # perhaps before it could claim the job, so that no attempt was counted
                self._unclaimed[job_id] = self._unclaimed.get(job_id, 0) + 1

    def _start(self, job: Job) -> None:
        folder = self._container.settings.folder(f"jobs/{job.id}")
        with (folder / "process.log").open("ab") as log, faults.step("job.spawn"):
            self._started[job.id] = subprocess.Popen(
                [sys.executable, "-m", "holdfast.loop.job", job.id],
                env=environment(self._container),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _give_up(self, job: Job) -> None:
        error = {
            "code": "job.died",
            "message": f"the process of {job.kind} job {job.id} died {ATTEMPTS} times",
            "fix": f"See {self._container.settings.home / 'jobs' / job.id / 'process.log'}.",
        }
        finish(self._container, job, {"error": error}, JobState.FAILED)


def environment(container: Container) -> dict[str, str]:
    """The environment of a process of this installation."""
    import os

    return {**os.environ, **container.settings.environment()}


def finish(container: Container, job: Job, result: dict[str, Any], state: JobState) -> None:
    """Writes a job's end with its event, in one transaction.

    A job that ended, or that a later attempt works on, is left alone.
    """
    store = container.store
    now = container.clock.now()
    with store.begin("job.end") as tx:
        present = store.jobs.get(tx, job.id)
        ended = present.state not in (JobState.QUEUED, JobState.RUNNING)
        if ended or present.attempt != job.attempt:
            return
        end = store.jobs.finish if state == JobState.DONE else store.jobs.fail
        end(tx, job.id, result, now)
        sentence = result.get("sentence") or result.get("error", {}).get("message", state.value)
        store.events.append(
            tx, now, f"job.{state.value}", job.model, "holdfast",
            {"sentence": f"{job.kind}: {sentence}", "job": job.id, "result": result},
        )  # fmt: skip
