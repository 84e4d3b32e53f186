"""What is known of a release: the challenger beside the champion, on the same rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.bundle.manifest import read_manifest
from holdfast.loop.container import Container, replace
from holdfast.loop.outcomes import typed_labels
from holdfast.monitoring.contract import contract_findings
from holdfast.monitoring.count import count
from holdfast.monitoring.merge import blocks
from holdfast.monitoring.times import whole_hours
from holdfast.recording.join import outcomes, pairs
from holdfast.records import Evidence, RecordPolicy, Release, ReleaseState, Version
from holdfast.release.context import Context, labels_in_time
from holdfast.release.evidence import compare
from holdfast.release.latency import slower
from holdfast.spec import Spec
from holdfast.spec.freeze import frozen

HOUR = timedelta(hours=1)


class Gathered(NamedTuple):
    """The evidence of a release, and the situation in which the rules read it."""

    evidence: Evidence
    context: Context


def gather(container: Container, release: Release) -> Gathered:
    """What is known of a release now; for one that is not compared with anything, what was."""
    spec = container.spec(release.model)
    until = container.recorded_until()
    if not _compares(release) or until is None or release.previous is None:
        return Gathered(release.evidence, _context(container, spec, until, 0))
    found = pairs(
        container.log.scan(release.model, release.started_at),
        container.labels.scan(release.model),
        release.version,
        release.previous,
        release.started_at,
        until,
        _sliced(release),
    )
    here = int((found["at"] >= release.step_at).sum())
    context = _context(container, spec, until, here)
    if not found.height:
        return Gathered(release.evidence, context)
    new = container.version(release.model, release.version)
    evidence = _compared(container, spec, release, new, found, until)
    return Gathered(
        replace(evidence, breach=_breach(container, spec, release, new, until)), context
    )


def _compares(release: Release) -> bool:
    """Whether there are rows to compare: also a while after it went live, for late labels."""
    if release.state == ReleaseState.WATCHED:
        return bool(release.plan)
    return release.state in (ReleaseState.SHADOW, ReleaseState.CANARY)


def _context(container: Container, spec: Spec, until: datetime | None, here: int) -> Context:
    delay = None if until is None else label_delay(container, spec, until)
    latency = spec.gate.max_latency_p99
    entry = container.ask(container.store.models.get, spec.model.name)
    return Context(
        alpha=spec.gate.alpha,
        minimum=spec.monitor.minimum,
        step_pairs=here,
        labels=labels_in_time(spec.release, delay),
        paused=(entry.note or "by hand") if entry.paused else "",
        frozen=frozen(spec.release.freeze, container.clock.now()),
        max_latency=None if latency is None else latency.total_seconds(),
    )


def label_delay(container: Container, spec: Spec, until: datetime) -> timedelta | None:
    """How long half of the labels took lately; None when none came."""
    model = spec.model.name
    start = until - 2 * spec.release.max_step
    delays = container.joined.outcomes(model, start, until, until)["delay"].drop_nulls()
    median = delays.median()
    return timedelta(seconds=float(median)) if isinstance(median, int | float) else None


def _sliced(release: Release) -> tuple[str, ...]:
    """Columns of the log that the gate measured disagreement by."""
    return tuple(sorted({f"f_{name.partition('=')[0]}" for name in release.expected_by_slice}))


def ripe_after(container: Container, spec: Spec, release: Release) -> timedelta:
    """How old a pair must be before its label counts: 90 % of the labels known when the release
    began had come by then, and never more than half of ``max_step``.

    What is known early is not like what is known late: a flight that was cancelled is known to be
    late before it would have landed. Until nearly all of the rows of an hour have their labels, a
    version that is better on the quick ones would seem better on all. It must not change while the
    release runs, or the order of the pairs would.
    """
    start, longest = release.started_at, spec.release.max_step / 2
    log = container.log.scan(spec.model.name, start - 4 * longest, start, None, "live")
    delays = outcomes(log, container.labels.scan(spec.model.name), start)["delay"].drop_nulls()
    usual = delays.quantile(0.9)
    return min(timedelta(seconds=max(usual or 0.0, 0.0)), longest)


class _Live(NamedTuple):
    """How long each request took that one of the two versions answered live, oldest first."""

    seconds: NDArray[np.float64]
    new: NDArray[np.bool_]


def _live(container: Container, release: Release, until: datetime) -> _Live:
    """One line a request: its rows share one time."""
    log = container.log.scan(release.model, release.started_at, until, None, "live").filter(
        pl.col("version").is_in([release.version, release.previous]) & (pl.col("error") == "")
    )
    # By when they began: by when they ended a slow one would stand among other neighbours.
    began = pl.col("at").dt.epoch("us") / 1e6 - pl.col("seconds")
    rows = log.select("at", "version", "seconds", _request().alias("request")).collect()
    rows = rows.unique("request", keep="first").sort(began, "request")
    return _Live(rows["seconds"].to_numpy(), (rows["version"] == release.version).to_numpy())


def _request() -> pl.Expr:
    return pl.col("prediction_id").str.replace(r":\d+$", "")


def _compared(
    container: Container,
    spec: Spec,
    release: Release,
    new: Version,
    found: pl.DataFrame,
    until: datetime,
) -> Evidence:
    signature = read_manifest(new.bundle_path).signature
    task = spec.model.task
    labels = typed_labels(found["label"], signature.classes)
    usable = pl.max_horizontal("received_at", pl.col("at") + ripe_after(container, spec, release))
    found = found.with_columns(usable=usable, request=_request().rle_id())
    known = (found["label"].is_not_null() & (found["usable"] <= until)).to_numpy()
    live = _live(container, release, until)
    truth = np.array(labels.to_list(), dtype=object)
    return compare(
        task=task,
        score_new=_scores(found, "a", task, len(signature.classes)),
        score_old=_scores(found, "b", task, len(signature.classes)),
        error_new=(found["error_a"] != "").to_numpy(),
        error_old=(found["error_b"] != "").to_numpy(),
        expected=release.expected_disagreement,
        margin=spec.gate.slice_margin,
        tolerance=spec.gate.slice_margin,
        truth=truth,
        labelled=known,
        label_at=found["usable"].dt.epoch("us").fill_null(0).to_numpy() / 1e6,
        seconds_new=found["seconds_a"].to_numpy(),
        request=found["request"].to_numpy(),
        slices={name[2:]: found[name].to_numpy() for name in _sliced(release)},
        expected_by_slice=release.expected_by_slice,
        strange_day=release.strange_day,
        late=slower(live.seconds, live.new, spec.release.slower),
        classes=signature.classes,
        positive=signature.classes[signature.positive] if task == "binary" else 1,
        scale=container.reference(new).scale,
    )


def _scores(found: pl.DataFrame, side: str, task: str, classes: int) -> NDArray[np.float64]:
    if task != "multiclass":
        return found[f"score_{side}"].fill_null(float("nan")).to_numpy()
    empty = [float("nan")] * classes
    rows = [row if row is not None and len(row) else empty for row in found[f"scores_{side}"]]
    return np.array(rows, dtype=np.float64)


def recorded_alike(
    container: Container, release: Release, new: Version, until: datetime
) -> pl.LazyFrame:
    """The rows that users send, as the challenger's reference knows them.

    What the champion answers is recorded as the champion's bundle says. Where the challenger's says
    otherwise its own rows must do, and those that it scored beside the champion.
    """
    model, start = release.model, release.started_at
    policies = [_policy(container, model, new.number)]
    if release.previous is not None:
        policies.append(_policy(container, model, release.previous))
    if policies[0].redact == policies[-1].redact:
        return container.log.scan(model, start, until, None, "live")
    own = container.log.scan(model, start, until, new.number)
    return own.unique("prediction_id")


def _policy(container: Container, model: str, version: int) -> RecordPolicy:
    return read_manifest(container.version(model, version).bundle_path).record


def _breach(
    container: Container, spec: Spec, release: Release, new: Version, until: datetime
) -> str:
    """How the rows that users send break with those the challenger was trained on; else empty.

    The whole time of the release is one block, so that it has enough rows; and so that a long calm
    beginning hides nothing, each block of the monitor is looked at too.
    """
    reference = container.reference(new)
    features = list({bins.input: None for bins in reference.bins if bins.column != "prediction"})
    log = recorded_alike(container, release, new, until)
    log = log.filter(pl.col("inputs").fill_null(value=True))
    names = log.collect_schema().names()
    if any(f"f_{name}" not in names for name in features):
        return ""  # versions with other inputs: the server refuses rows that lack a column
    frame = log.select("at", "score", *(f"f_{name}" for name in features)).collect()
    columns = {name: f"f_{name}" for name in features} | {"prediction": "score"}
    since = release.started_at.replace(minute=0, second=0, microsecond=0)
    whole = max((until - since) // HOUR, 1) * HOUR
    counts = count(frame, reference, model=release.model, version=new.number, columns=columns)
    for length in (whole, whole_hours(spec.monitor.block)):
        seen = blocks(counts, reference.bins, since=since, until=since + whole, length=length)
        for finding in contract_findings(
            reference, seen, model=release.model, version=new.number, minimum=spec.monitor.minimum
        ):
            if finding.pages and finding.subject != "prediction":
                return finding.sentence
    return ""
