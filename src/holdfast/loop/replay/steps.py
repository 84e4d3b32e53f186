"""What a course does at each step: the loop's own passes, inline, on the replay's clock."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.loop.job import run_job
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.loop.replay.world import ReplayContainer
from holdfast.records import Job, JobState, ReleaseState
from holdfast.spec import last_due

HOUR = timedelta(hours=1)
MOST_PASSES = 100
FIRST = "first"
"""End of the key of the job that trains the first version."""
WHY = "the replay begins with it"


class Steps:
    """Does the steps of one course in its installation.

    Args:
        container: the installation.
        spent: told the key of each training job and the seconds that it took.
    """

    def __init__(self, container: ReplayContainer, spent: Callable[[str, float], None]) -> None:
        self._container = container
        self._spent = spent
        self._model = container.project_spec().model.name
        self._releasing = Releasing(container)
        self._reconciler = Reconciler(container, self._releasing, container.wall)

    def first_version(self, estimator: Path | None = None) -> None:
        """Trains the version with which the replay begins; once.

        Args:
            estimator: folder of one that was fitted already on the same rows.

        Raises:
            HoldfastError: when it could not be trained.
        """
        job = self._order(FIRST)
        folder = self._container.settings.folder(f"jobs/{job.id}") / "model"
        if estimator is not None and not folder.exists():
            draft = folder.with_name("model.draft")
            shutil.copytree(estimator, draft, dirs_exist_ok=True)
            draft.replace(folder)
        done = self._run(job)
        if done.state == JobState.FAILED:
            error = done.result["error"]
            raise _failed(error)

    def go_live(self, number: int, why: str = WHY) -> None:
        """Takes a version live at once."""
        store, model = self._container.store, self._model
        route = self._container.ask(store.routes.current, model)
        if route is None or route.champion.version != number:
            known = self._container.ask(store.releases.moving, model)
            release = known or self._releasing.start(
                model, version=number, actor="replay", strategy="direct", force=why
            )
            for _ in range(MOST_PASSES):
                if release.state not in (ReleaseState.PENDING, ReleaseState.SHADOW):
                    break
                release = self._releasing.advance(release) or release

    def loop(self) -> None:
        """Monitors, decides, trains, judges and releases until nothing is left to do now."""
        for _ in range(MOST_PASSES):
            before = self._events()
            self._reconciler.reconcile(self._model)
            jobs = self._container.ask(self._container.store.jobs.active, self._model)
            for job in jobs:
                self._run(job)
            if not jobs and self._events() == before:
                return

    def by_schedule(self, schedule: str, since: datetime, until: datetime) -> None:
        """Trains and releases what came due in a time, as a cron job does: no gate, no monitor."""
        due = last_due(schedule, "UTC", until)
        if due <= since:
            return
        done = self._run(self._order(f"{due:%Y%m%dT%H%M}", "a schedule does not ask"))
        if done.state == JobState.DONE:
            self.go_live(int(done.result["version"]), "by the schedule")

    def releasing(self) -> bool:
        """Whether a release is under way, which must be looked at more often."""
        return self._container.ask(self._container.store.releases.moving, self._model) is not None

    def _events(self) -> int:
        with self._container.store.read() as tx:
            return self._container.store.events.models_since(tx, 0)[0]

    def _order(self, name: str, accept: str | None = None) -> Job:
        """A training by hand: nobody follows it up."""
        jobs, now = self._container.store.jobs, self._container.clock.now()
        payload = {"origin": "replay", "accept": accept}
        with self._container.store.begin() as tx:
            key = f"train:{self._model}:{name}"
            return jobs.enqueue(tx, key, "train", self._model, payload, now)

    def _run(self, job: Job) -> Job:
        began = time.perf_counter()
        done = run_job(self._container, job.id)
        if done is not None and job.kind == "train":
            self._spent(job.key, time.perf_counter() - began)
        return done or self._container.ask(self._container.store.jobs.get, job.id)


def _failed(error: dict[str, str]) -> HoldfastError:
    text = error.get("traceback", "")
    more = f"\n{text.rstrip()}" if text else ""
    return HoldfastError(error["code"], error["message"] + more, error.get("fix", ""))
