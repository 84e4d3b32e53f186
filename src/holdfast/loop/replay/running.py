"""``python -m holdfast.loop.replay.running FOLDER``: goes through one course, from where it is."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl

from holdfast.errors import HoldfastError
from holdfast.loop.parent import end_with_parent
from holdfast.loop.replay.course import COURSE, ERROR, OUTCOME, SERIES, Course, Progress
from holdfast.loop.replay.history import History
from holdfast.loop.replay.outcome import outcome_of
from holdfast.loop.replay.results import Outcome
from holdfast.loop.replay.steps import HOUR, Steps
from holdfast.loop.replay.traffic import Traffic
from holdfast.loop.replay.watched import watch
from holdfast.loop.replay.world import ReplayContainer, replayable
from holdfast.recording import parquet
from holdfast.recording.folders import FolderLock, write_whole

MONTH = timedelta(days=28)


def run_course(folder: Path) -> Outcome:
    """Goes through a course to its end; what is done already is not done again.

    Args:
        folder: of the course.

    Raises:
        HoldfastError: when it cannot go on; a later call tries again from there.
    """
    if (folder / OUTCOME).exists():
        return Outcome.from_json((folder / OUTCOME).read_bytes())
    course = Course.from_json((folder / COURSE).read_bytes())
    spec = replayable(course.spec(), Path(course.history))
    history = History(pl.read_parquet(course.history), spec.data)
    if course.kind == "watched":
        outcome, series = watch(course, spec, history, lambda now: Progress(until=now).save(folder))
    else:
        container = ReplayContainer.make(folder / "home", spec, course.begin)
        progress = _Going(folder, course, container, history).go()
        outcome, series = outcome_of(container, course, history, progress.costs)
    parquet.write(series, folder / SERIES)
    write_whole(folder / OUTCOME, outcome.to_json())
    return outcome


class _Going:
    """The way through a course that has an installation."""

    def __init__(
        self, folder: Path, course: Course, container: ReplayContainer, history: History
    ) -> None:
        self._folder, self._course, self._container = folder, course, container
        self._progress = Progress.load(folder, course.begin)
        self._steps = Steps(container, self._spent)
        self._history = history

    def go(self) -> Progress:
        """From where it is to the end."""
        course = self._course
        self._steps.first_version(Path(course.first) if course.first else None)
        self._steps.go_live(1)
        traffic = Traffic(self._container, self._history.rows, summarise=course.kind == "loop")
        while self._progress.until < course.end:
            since = self._progress.until
            until = self._next(since)
            rows = traffic.play(since, until)
            if course.kind == "loop":
                traffic.learn(since, until)
                self._steps.loop()
            elif course.kind == "scheduled":
                self._steps.by_schedule(course.schedule, since, until)
            self._save(until=until, rows=self._progress.rows + rows)
        return self._progress

    def _next(self, since: datetime) -> datetime:
        """The end of the step: at a full step of the day; hourly while a release is under way."""
        course = self._course
        every = timedelta(seconds=course.every)
        if course.kind == "without":
            every = MONTH
        elif course.kind == "scheduled":
            every = timedelta(days=1)
        elif self._steps.releasing():
            every = HOUR
        midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
        return min(midnight + ((since - midnight) // every + 1) * every, course.end)

    def _spent(self, key: str, seconds: float) -> None:
        costs = self._progress.costs
        self._save(costs={**costs, key: costs.get(key, 0.0) + seconds})

    def _save(self, **changes: object) -> None:
        self._progress = msgspec.structs.replace(self._progress, **changes)
        self._progress.save(self._folder)


def main(folder: Path) -> int:
    """Runs a course in a process of its own; leaves its error in ``error.json``."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    lock = FolderLock(folder)
    lock.acquire(wait=True)  # a process whose parent was killed may live on for a moment
    (folder / ERROR).unlink(missing_ok=True)
    try:
        run_course(folder)
    except HoldfastError as error:
        traceback.print_exc()
        write_whole(folder / ERROR, msgspec.json.encode(error.as_dict()))
        return 1
    except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
        traceback.print_exc()
        fault = HoldfastError(
            "replay.fault", f"a fault of Holdfast: {type(error).__name__}: {error}",
            f"Report it with {folder / 'process.log'}.",
        )  # fmt: skip
        write_whole(folder / ERROR, msgspec.json.encode(fault.as_dict()))
        return 1
    finally:
        lock.release()
    return 0


if __name__ == "__main__":
    end_with_parent()
    warnings.simplefilter("ignore")
    raise SystemExit(main(Path(sys.argv[1])))
