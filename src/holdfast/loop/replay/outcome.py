"""What came of a course, from what its installation recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from holdfast.bundle.manifest import read_manifest
from holdfast.errors import DataError
from holdfast.loop.replay.course import Course
from holdfast.loop.replay.history import KNOWN, ROW, History
from holdfast.loop.replay.results import Change, Outcome, Page, Training
from holdfast.loop.replay.steps import FIRST
from holdfast.loop.replay.truth import Level, harms, judge, matched
from holdfast.loop.replay.world import ReplayContainer
from holdfast.loop.stints import stints
from holdfast.monitoring.loss_monitor import tolerated
from holdfast.monitoring.quality import Cohort, labelled, quality
from holdfast.monitoring.times import align, whole_hours
from holdfast.records import Finding, Job, JobState, Reference, Release, ReleaseState, Signature
from holdfast.spec import Spec
from holdfast.statistics.metrics import metric

SERIES_SCHEMA = {
    "course": pl.String(), "start": pl.Datetime("us", "UTC"), "rows": pl.Int64(),
    "labelled": pl.Int64(), "loss": pl.Float64(), "low": pl.Float64(), "high": pl.Float64(),
    "metric": pl.Float64(),
}  # fmt: skip
Classes = Sequence[bool | int | str]


class Answers:
    """Answers of one course beside what turned out to be true, by any time.

    Args:
        course: the course.
        spec: its spec.
    """

    def __init__(self, course: Course, spec: Spec) -> None:
        self._course, self._spec = course, spec
        self._all: list[pl.DataFrame] = []
        self._known: list[pl.DataFrame] = []
        self.classes: Classes = ()
        self._scale: float | None = None
        self.levels: dict[int, Level] = {}
        self._yardstick = Level(0.0, 0.0)

    def add(self, version: int, rows: pl.DataFrame, reference: Reference, classes: Classes) -> None:
        """Adds one version's answers: ``at``, ``score``, ``label`` and ``label_at``.

        The first version's scale is that of all, and so is what the project's own policy tolerates
        of it: courses must compare.
        """
        if self._scale is None:
            self._scale, self.classes = reference.scale, classes
            own = tolerated(reference, self._base.monitor)
            self._yardstick = Level(own, reference.loss_spread)
        monitor = self._spec.monitor
        self.levels[version] = Level(tolerated(reference, monitor), reference.loss_spread)
        known = self._labelled(rows, reference.scale, classes).rename({"loss": "own"})
        common = known["own"]
        if reference.scale != self._scale:
            common = self._labelled(rows, self._scale, classes)["loss"]
        self._known.append(known.with_columns(common.alias("loss"), version=pl.lit(version)))
        self._all.append(rows)

    def _labelled(self, rows: pl.DataFrame, scale: float, classes: Classes) -> pl.DataFrame:
        last = rows["label_at"].max()
        until = last if isinstance(last, datetime) else self._course.end
        return labelled(
            rows, until, task=self._spec.model.task, classes=classes,
            positive=self._spec.model.positive, scale=scale,
        )  # fmt: skip

    @property
    def known(self) -> pl.DataFrame:
        """Labelled answers: also ``version``, ``own`` and ``loss``."""
        return pl.concat(self._known)

    def series(self) -> tuple[Cohort, ...]:
        """Quality by block of the project's own policy."""
        length = whole_hours(self._base.monitor.block)
        return quality(
            pl.concat(self._all), self.known, since=self._start, until=self._course.end,
            length=length, task=self._spec.model.task, metrics=(self._base.watched,),
            classes=self.classes, positive=self._spec.model.positive,
        )  # fmt: skip

    def outcome(self, signs: Sequence[tuple[datetime, str]], **fields: Any) -> Outcome:
        """The outcome, with what is not known from the answers in ``fields``."""
        known, block = self.known, whole_hours(self._base.monitor.block)
        found = matched(harms(known, self._yardstick, self._start, block), signs)
        mean = known["loss"].mean()
        return Outcome(
            name=self._course.name,
            kind=self._course.kind,
            policy=self._course.policy,
            rows=sum(part.height for part in self._all),
            labelled=known.height,
            loss=float(mean) if isinstance(mean, int | float) else None,
            metric=self._metric(known),
            tolerated=self._yardstick.tolerated,
            harms=found,
            harmful_days=round(sum((o.end - o.start).total_seconds() for o in found) / 86400, 3),
            **fields,
        )

    def _metric(self, known: pl.DataFrame) -> float | None:
        spec = self._spec
        scores = known["score"].to_list() if spec.model.task == "multiclass" else known["score"]
        try:
            return metric(
                self._base.watched, spec.model.task, known["label"].to_numpy(),
                np.asarray(scores), classes=self.classes, positive=spec.model.positive,
            )  # fmt: skip
        except DataError:
            return None

    @property
    def _base(self) -> Spec:
        return base_spec(self._course)

    @property
    def _start(self) -> datetime:
        return align(self._course.begin, whole_hours(self._base.monitor.block))


def base_spec(course: Course) -> Spec:
    """The project's own spec, by which all courses are measured alike."""
    plain: Course = Course(**{**_fields(course), "policy": {}})
    return plain.spec()


def series_frame(name: str, cohorts: Sequence[Cohort]) -> pl.DataFrame:
    """Quality over time as rows of ``series.parquet``."""
    rows = [
        {
            "course": name, "start": one.start, "rows": one.rows, "labelled": one.labelled,
            "loss": one.loss, "low": one.low, "high": one.high,
            "metric": one.metrics[0].value if one.metrics else None,
        }
        for one in cohorts
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SERIES_SCHEMA)


def outcome_of(
    container: ReplayContainer, course: Course, history: History, costs: Mapping[str, float]
) -> tuple[Outcome, pl.DataFrame]:
    """Reads what came of a course that is over, and its quality over time."""
    spec = container.project_spec()
    answers = _answers(container, course, spec, history)
    pages = _pages(container, spec, answers)
    trainings = _trainings(container, spec.model.name, costs)
    changes = _changes(container, spec.model.name, course.end)
    signs = [
        *((page.at, "page") for page in pages),
        *((one.at, "training") for one in trainings if one.trigger in ("drift", "quality")),
        *((change.at, "rollback") for change in changes if change.kind == "rollback"),
    ]
    outcome = answers.outcome(signs, pages=pages, trainings=trainings, changes=changes)
    return outcome, series_frame(course.name, answers.series())


def _answers(container: ReplayContainer, course: Course, spec: Spec, history: History) -> Answers:
    answers, model = Answers(course, spec), spec.model.name
    log = container.log.scan(model, course.begin, course.end, None, "live")
    log = log.filter(pl.col("error") == "").select("prediction_id", "at", "version", _score(spec))
    truth = history.rows.select(
        pl.col(ROW).alias("prediction_id"), label=pl.col(spec.data.label), label_at=pl.col(KNOWN)
    )
    rows = log.collect().join(truth, on="prediction_id", how="left").sort("at")
    for number in rows["version"].unique().sort().to_list():
        version = container.version(model, number)
        signature: Signature = read_manifest(version.bundle_path).signature
        own = rows.filter(pl.col("version") == number).drop("version", "prediction_id")
        answers.add(number, own, container.reference(version), signature.classes)
    return answers


def _score(spec: Spec) -> pl.Expr:
    return pl.col("scores").alias("score") if spec.model.task == "multiclass" else pl.col("score")


def _pages(container: ReplayContainer, spec: Spec, answers: Answers) -> tuple[Page, ...]:
    """One page for each kind of finding that pages, once in each incident."""
    model, store = spec.model.name, container.store
    with store.read() as tx:
        incidents = store.incidents.list(tx, model, limit=100_000)
        events = store.events.list(tx, model=model, limit=1_000_000)
    known, block = answers.known, spec.monitor.block
    said = [event for event in events if event.kind == "finding.established"]
    established = [
        (event.at, Finding.from_json(_json(event.body["finding"])))
        for event in sorted(said, key=lambda event: event.seq)
    ]
    story = {name: incident.id for incident in incidents for name in incident.findings}
    told: set[tuple[str, str]] = set()
    pages = []
    for at, finding in established:
        key = (story.get(finding.id, ""), finding.kind)
        if not finding.pages or key in told or not key[0]:
            continue
        told.add(key)
        level = answers.levels.get(finding.version)
        if level is not None:
            pages.append(page_of(finding, at, known, level, block))
    return tuple(pages)


def page_of(finding: Finding, at: datetime, known: pl.DataFrame, level: Level, block: Any) -> Page:
    """A page for a finding, judged by all labels."""
    judged = judge(finding, known, level, block)
    return Page(
        at=at, kind=finding.kind, version=finding.version, since=finding.since, until=finding.at,
        sentence=finding.sentence, truth=judged.truth, loss=judged.loss,
        tolerated=level.tolerated, labels=judged.labels,
    )  # fmt: skip


def _trainings(
    container: ReplayContainer, model: str, costs: Mapping[str, float]
) -> tuple[Training, ...]:
    store = container.store
    with store.read() as tx:
        jobs = [job for job in store.jobs.recent(tx, model, 100_000) if job.kind == "train"]
        releases = {one.version: one for one in reversed(store.releases.list(tx, model, 100_000))}
    return tuple(
        _training(container, job, releases, costs.get(job.key, 0.0))
        for job in sorted(jobs, key=lambda job: (job.created_at, job.key))
        if not job.key.endswith(f":{FIRST}")
    )


def _training(
    container: ReplayContainer, job: Job, releases: Mapping[int, Release], seconds: float
) -> Training:
    store = container.store
    done = job.state == JobState.DONE
    number = int(job.result["version"]) if done else None
    rows = 0
    with store.read() as tx:
        decision = store.decisions.find(tx, str(job.payload.get("decision", "")))
        verdict = store.verdicts.latest(tx, job.model, number) if number else None
    if number:
        version = container.version(job.model, number)
        rows = container.ask(store.datasets.get, version.dataset).rows
    outcome = "failed" if number is None else _became(releases.get(number))
    if number and outcome == "waiting" and verdict is not None and verdict.outcome != "pass":
        outcome = "refused"
    reason = decision.reason if decision else "the schedule came due"
    if number is None:
        reason += f"; it failed: {(job.result.get('error') or job.result).get('message', '')}"
    return Training(
        at=job.created_at, trigger=decision.trigger if decision else "schedule", reason=reason,
        version=number, rows=rows, seconds=round(seconds, 3), outcome=outcome,
    )  # fmt: skip


def _became(release: Release | None) -> str:
    if release is None or release.state in (
        ReleaseState.PENDING, ReleaseState.SHADOW, ReleaseState.CANARY,
    ):  # fmt: skip
        return "waiting"
    if release.state in (ReleaseState.ABORTED, ReleaseState.INCONCLUSIVE):
        return "stopped"
    return "taken_back" if release.state == ReleaseState.ROLLED_BACK else "live"


def _changes(container: ReplayContainer, model: str, end: datetime) -> tuple[Change, ...]:
    """Each time another version went live after the first; a number that falls was a rollback."""
    lived = stints(container.ask(container.store.routes.history, model, 100_000))
    return tuple(
        Change(
            at=two.since, version=two.version,
            kind="rollback" if two.version < one.version else "release",
        )
        for one, two in pairwise(lived)
        if two.since <= end
    )  # fmt: skip


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _json(value: Any) -> bytes:
    import msgspec

    return msgspec.json.encode(value)
