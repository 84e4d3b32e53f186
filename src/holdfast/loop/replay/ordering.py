"""Orders a replay: reads the history, makes its courses, and sees to it that they are gone through.

The folder of a replay is named after all that it depends on, so that the same command finds what it
did before, whole or in part, and goes on from there.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import msgspec
import polars as pl

from holdfast.errors import UsageError
from holdfast.loop.container import Container, replace
from holdfast.loop.replay.claiming import claim
from holdfast.loop.replay.course import COURSE, OUTCOME, SERIES, Course
from holdfast.loop.replay.history import KNOWN, Columns, History, read_project, read_table
from holdfast.loop.replay.results import Outcome, Result
from holdfast.loop.replay.scaffold import scaffold
from holdfast.loop.replay.steps import FIRST, Steps
from holdfast.loop.replay.world import ReplayContainer, replayable
from holdfast.recording import parquet
from holdfast.recording.folders import FolderLock, write_whole
from holdfast.spec import FILE_NAME, Spec, Task, load_spec, overlaid, read_policy
from holdfast.training.code import code_version

HISTORY, RESULT = "history.parquet", "result.json"
LOOP, SCHEDULED, WITHOUT, WATCHED = (
    "with the loop", "retrained by schedule", "never retrained", "the model as it was",
)  # fmt: skip
DAY = timedelta(days=1)

Tell = Callable[[str], None]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay is asked for.

    Args:
        source: files of the history; None for the source of the project.
        columns: what its columns mean, as far as that was said.
        policies: TOML files; each is a course. Without any the project's own policy is the one.
        task: what is predicted, where there is no project and it is not inferred right.
        start: when the first version goes live.
        every: time between two looks while no release is under way.
        schedule: cron expression (UTC) of the course that is retrained by schedule.
    """

    source: str | None = None
    columns: Columns = Columns()
    policies: tuple[str, ...] = ()
    task: Task | None = None
    start: datetime | None = None
    every: timedelta = DAY
    schedule: str = "0 3 1 * *"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A replay that is ready to be gone through, by this process alone until it is closed.

    Args:
        folder: of all that belongs to it.
        lock: on the folder.
        history: of its rows, for counts and columns.
        courses: their folders, in the order in which they are shown.
        notes: what a reader must know.
    """

    folder: Path
    lock: FolderLock
    spec: Spec
    start: datetime
    begin: datetime
    end: datetime
    rows: int
    first_rows: int
    courses: tuple[Path, ...]
    notes: tuple[str, ...]

    def close(self) -> None:
        """Lets another process go through it."""
        self.lock.release()

    @property
    def result(self) -> Result | None:
        """What came of it, if it was gone through to its end."""
        file = self.folder / RESULT
        return Result.from_json(file.read_bytes()) if file.exists() else None

    @property
    def series(self) -> pl.DataFrame:
        """Quality over time of every course."""
        return pl.read_parquet(self.folder / SERIES, memory_map=False)


def prepare(
    order: Order, project: Path, home: Path, out: Path | None, tell: Tell, *, fresh: bool = False
) -> Replay:
    """Reads the history and writes down the courses, unless that was done.

    Args:
        order: what is asked for.
        project: folder in which the command was given.
        home: of the user's installation; only ``replays`` in it is written to.
        out: folder of the replay; by default one in ``home``.
        tell: hears of each step.
        fresh: begin anew even if the same was done before.

    Raises:
        UsageError: when what is asked for does not go together.
        DataError: when the history cannot be read.
        SpecError: when a spec or policy is wrong.
        ConflictError: when ``out`` holds something else.
    """
    tell("reading the history")
    file = project.absolute() / FILE_NAME
    with tempfile.TemporaryDirectory(prefix="holdfast-replay-") as name:
        if file.exists():
            history = _of_project(order, file, Path(name))
        else:
            history = _of_table(order, project)
        frame = Path(name) / HISTORY
        history.rows.write_parquet(frame)
        begin = history.begin(order.start)
        texts = [Path(policy).read_bytes() for policy in _policies(order)]
        own = file.read_bytes() + _code(file) if file.exists() else b""
        key = _digest(msgspec.json.encode(order), own, *texts, frame.read_bytes())
        folder = (out or home / "replays" / key[:12]).absolute()
        lock = claim(folder, key, fresh=fresh)
        if not (folder / HISTORY).exists():
            shutil.copy(frame, folder / "history.draft")
            (folder / "history.draft").replace(folder / HISTORY)
    if not file.exists():
        days = (begin - history.span[0]) // DAY
        file = scaffold(history, folder / "project", days, order.task)
    return _written(order, file, history, begin, lock)


def first_version(replay: Replay) -> Path | None:
    """Trains the version with which all courses begin, once; the folder of its estimator.

    Raises:
        HoldfastError: when it could not be trained.
    """
    course = Course.from_json((replay.courses[0] / COURSE).read_bytes())
    if course.kind == "watched":
        return None
    home = replay.folder / FIRST
    spec = replayable(replay.spec, Path(course.history))
    container = ReplayContainer.make(home, spec, replay.begin)
    Steps(container, lambda key, seconds: None).first_version()
    job = next(iter(container.ask(container.store.jobs.recent, spec.model.name, 1)))
    container.store.close()
    return home / "jobs" / job.id / "model"


def share_first(replay: Replay, estimator: Path | None) -> None:
    """Tells every course where the first version's estimator is."""
    for folder in replay.courses:
        course = Course.from_json((folder / COURSE).read_bytes())
        shared: Course = replace(course, first="" if estimator is None else str(estimator))
        write_whole(folder / COURSE, shared.to_json())


def gather(replay: Replay) -> Result:
    """Puts together what came of all courses, and writes ``result.json`` and ``series.parquet``."""
    outcomes = [Outcome.from_json((one / OUTCOME).read_bytes()) for one in replay.courses]
    series = pl.concat([pl.read_parquet(one / SERIES, memory_map=False) for one in replay.courses])
    spec = replay.spec
    result = Result(
        model=spec.model.name, task=spec.model.task, metric_name=spec.watched,
        start=replay.start, begin=replay.begin, end=replay.end, rows=replay.rows,
        first_rows=replay.first_rows, courses=tuple(outcomes), notes=replay.notes,
    )  # fmt: skip
    parquet.write(series, replay.folder / SERIES)
    write_whole(replay.folder / RESULT, msgspec.json.format(result.to_json(), indent=2))
    return result


def _of_project(order: Order, file: Path, folder: Path) -> History:
    spec, columns = load_spec(file), order.columns
    if columns.prediction is not None:
        source = order.source or spec.data.source
        named = {
            name: getattr(columns, name) or getattr(spec.data, name)
            for name in ("time", "label", "label_time", "id")
        }
        return read_table(source, spec.root, replace(columns, **named))
    data = spec.data
    if order.source is not None:
        data = replace(data, source=str(Path(order.source).absolute()), query=None)
    container = Container.open(file.parent)
    code = container.user_code(spec, folder / "load.log", {})
    return read_project(data, columns, spec.root, code)


def _of_table(order: Order, project: Path) -> History:
    if order.source is None:
        raise UsageError(
            "replay.no_history",
            f"there is no {FILE_NAME} in {project.absolute()}, and no history was named",
            "Name the files: holdfast replay history.csv --time t --label y.",
        )
    return read_table(order.source, project.absolute(), order.columns)


def _policies(order: Order) -> tuple[str, ...]:
    names = [Path(policy).stem for policy in order.policies]
    if len(set(names)) < len(names):
        raise UsageError(
            "replay.policies", "two policies have the same name",
            "A policy is called by the name of its file; rename one.",
        )  # fmt: skip
    if order.policies and order.columns.prediction is not None:
        for policy in order.policies:
            if set(read_policy(Path(policy))) - {"monitor"}:
                raise UsageError(
                    "replay.policies",
                    f"{policy} has more than [monitor], and only predictions are watched",
                    "Without --prediction a model is trained, judged and released.",
                )
    for policy in order.policies:
        read_policy(Path(policy))
    return order.policies


def _written(
    order: Order, file: Path, history: History, begin: datetime, lock: FolderLock
) -> Replay:
    """The courses, each in its folder."""
    text, folder = file.read_text(encoding="utf-8"), lock.folder
    last = history.span[1]
    end = last.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    spec = replace(overlaid(text, {}, file), data=history.data)
    watched = order.columns.prediction is not None
    policies = [(Path(one).stem, read_policy(Path(one))) for one in order.policies]
    kind, name = ("watched", WATCHED) if watched else ("loop", LOOP)
    plan = [(one, kind, policy) for one, policy in policies or [(name, {})]]
    if not watched:
        plan += [(SCHEDULED, "scheduled", {}), (WITHOUT, "without", {})]
    folders = []
    for place, (called, sort, policy) in enumerate(plan):
        course = Course(
            name=called, kind=sort, file=str(file), text=text, policy=policy,  # type: ignore[arg-type]
            data=history.data, history=str(folder / HISTORY), prediction=order.columns.prediction,
            begin=begin, end=end, every=order.every.total_seconds(), schedule=order.schedule,
        )  # fmt: skip
        course.spec()
        slug = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-")
        home = folder / "courses" / f"{place + 1}-{slug}"
        home.mkdir(parents=True, exist_ok=True)
        if not (home / COURSE).exists():
            write_whole(home / COURSE, course.to_json())
        folders.append(home)
    known = history.rows.filter(pl.col(KNOWN) <= begin).height
    return Replay(
        folder=folder, lock=lock, spec=spec, start=history.span[0], begin=begin, end=end,
        rows=history.rows.height, first_rows=known, courses=tuple(folders),
        notes=_notes(history, watched=watched),
    )  # fmt: skip


def _notes(history: History, *, watched: bool) -> tuple[str, ...]:
    notes = [
        f"The column '{name}' was not used as a feature: {why}." for name, why in history.left_out
    ]
    if history.data.label_time is None and not history.data.label_delay:
        notes.append(
            "Every label counts as known at once: say when they really come with --label-time or "
            "--label-delay."
        )
    unknown = history.rows[history.data.label].null_count()
    if unknown:
        notes.append(f"{unknown:,} rows have no label.")
    if watched:
        notes.append(
            "Only the predictions of an existing model are known, so nothing was trained, judged "
            "or released: this shows what the monitor would have said, and when."
        )
    return tuple(notes)


def _code(file: Path) -> bytes:
    return code_version(load_spec(file)).digest.encode()


def _digest(*parts: bytes) -> str:
    state = hashlib.sha256(version("holdfast").encode())
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state.hexdigest()
