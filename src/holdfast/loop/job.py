"""``python -m holdfast.loop.job ID``: runs one job of the database in this process."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from holdfast.errors import HoldfastError, UserCodeError
from holdfast.loop.container import Container
from holdfast.loop.jobs import finish, is_alive
from holdfast.loop.settings import load_settings
from holdfast.records import Job, JobState


def run_job(container: Container, job_id: str) -> Job | None:
    """Claims a job and does it; None when another process works on it or it has ended.

    The job's own failure is written into its result, not raised.
    """
    job = claim(container, job_id)
    if job is None:
        return None
    try:
        result, state = work(job.kind)(container, job), JobState.DONE
    except HoldfastError as error:
        result, state = {"error": error.as_dict()}, JobState.FAILED
        if not isinstance(error, UserCodeError):
            traceback.print_exc()
    except Exception as error:  # noqa: BLE001 - a job must end with a result, whatever happened
        traceback.print_exc()
        fault = HoldfastError(
            "job.fault",
            f"a fault of Holdfast: {type(error).__name__}: {error}",
            "Report it with the job's process.log.",
        )
        result, state = {"error": fault.as_dict()}, JobState.FAILED
    finish(container, job, result, state)
    return container.ask(container.store.jobs.get, job_id)


def claim(container: Container, job_id: str) -> Job | None:
    """Takes a job for this process; None when it ended or another living process has it."""
    jobs = container.store.jobs
    with container.store.begin("job.claim") as tx:
        job = jobs.get(tx, job_id)
        if job.state not in (JobState.QUEUED, JobState.RUNNING) or is_alive(job):
            return None
        return jobs.take(tx, job_id, os.getpid(), psutil.Process().create_time())


def work(kind: str) -> Callable[[Container, Job], dict[str, Any]]:
    """The function that does a kind of job."""
    if kind == "train":
        from holdfast.loop.pipeline import run_train

        return run_train
    from holdfast.loop.gating import run_gate

    return run_gate


if __name__ == "__main__":
    run_job(Container(load_settings(Path())), sys.argv[1])
