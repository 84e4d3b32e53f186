"""The first paragraph of a report: what happened, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.control.report.numbers import Hindsight, Report
from holdfast.control.words import loss, number, share, signed
from holdfast.monitoring.cells import PREDICTION
from holdfast.records import ReleaseState


def lead(report: Report) -> Iterator[str]:
    """Sentences about traffic, quality, drift and what was done."""
    if not report.lived:
        yield f"No version of {report.model} was live in this window."
        return
    last = report.lived[-1].version
    count = len({one.version for one in report.lived})
    others = "" if count == 1 else f", after {_many(count - 1, 'other version')}"
    yield f"Version {last} was live last{others}."
    yield _traffic(report)
    yield from _quality(report)
    yield from _drift(report)
    yield from _done(report)


def _traffic(report: Report) -> str:
    failed = sum(one.failed for one in report.traffic)
    if not report.rows:
        return "No predictions were recorded."
    text = f"{_many(report.rows, 'prediction')} {_were(report.rows)} recorded"
    return f"{text}; {number(failed)} failed ({share(failed / report.rows)})." if failed else (
        f"{text}; none failed."
    )  # fmt: skip


def _quality(report: Report) -> Iterator[str]:
    if not report.by_version:
        return
    last = report.by_version[-1]
    level = next((one for one in reversed(report.levels) if one.version == last.version), None)
    limit = None if level is None else level.tolerated
    if last.realised is None:
        if last.estimated is not None:
            held = _against(last.estimated_low, last.estimated, limit)
            yield (
                f"No label is known for version {last.version} here; without labels its loss is "
                f"estimated at {loss(last.estimated)} ({loss(last.estimated_low)} to "
                f"{loss(last.estimated_high)}){held}."
            )
        return
    yield (
        f"The measured loss of version {last.version} was {loss(last.realised)} "
        f"({loss(last.realised_low)} to {loss(last.realised_high)}) on {number(last.labelled)} "
        f"labels{_against(last.realised_low, last.realised, limit)}."
    )


def _against(low: float | None, value: float | None, limit: float | None) -> str:
    if low is None or value is None or limit is None:
        return ""
    if low > limit:
        return f", above the tolerated {loss(limit)}"
    if value > limit:
        return f", perhaps above the tolerated {loss(limit)}"
    return f", within the tolerated {loss(limit)}"


def judged(found: Hindsight) -> str:
    """How past estimates did, in a sentence; empty when none can be judged."""
    if not found.blocks or found.bias is None or found.error is None:
        return ""
    within = "within the intervals of both"
    if found.blocks == 1:
        agree = "agree" if found.agreed else "do not agree"
        said = f"In the one block that can be judged, estimate and measurement {agree} {within}"
    else:
        said = (
            f"In {number(found.agreed)} of {number(found.blocks)} blocks estimate and measurement "
            f"agree {within}; 95 % would be as promised"
        )
    lean = "on the whole neither higher nor lower"
    if loss(abs(found.bias)) != "0.000":
        lean = f"on average {'higher' if found.bias > 0 else 'lower'} by {loss(abs(found.bias))}"
    return f"{said}. Estimates were off by {loss(found.error)} on average, and {lean}."


def _drift(report: Report) -> Iterator[str]:
    whole = [one for one in report.drift if not one.slice]
    inputs = [one for one in whole if one.column != PREDICTION]
    moved = [one.column for one in inputs if one.moved]
    if not any(one.known for one in report.drift):
        return
    if moved:
        named = ", ".join(moved[:4]) + (f" and {len(moved) - 4} more" if len(moved) > 4 else "")
        yield f"Of {_many(len(inputs), 'input')}, {len(moved)} moved for a time: {named}."
    else:
        yield f"None of {_many(len(inputs), 'input')} was shown to have moved."
    if any(one.column == PREDICTION and one.moved for one in whole):
        yield "The predictions themselves moved for a time."
    parts = [one.name for one in report.drift if one.slice]
    if parts:
        named = ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
        yield f"In slices alone there moved for a time: {named}."
    for one in report.drift:
        if loss(one.cost) != "0.000":
            what = one.name
            if one.column == PREDICTION:
                what = f"the predictions where {one.slice}" if one.slice else "the predictions"
            yield f"The drift of {what} was expected to cost up to {signed(one.cost)} of loss."
            break


def _done(report: Report) -> Iterator[str]:
    paged = sum(one.paged for one in report.incidents)
    still = sum(one.state == "open" for one in report.incidents)
    if report.incidents:
        yield (
            f"{_many(len(report.incidents), 'incident').capitalize()}, {number(paged)} with a "
            f"page; {number(still)} still open."
        )
    else:
        yield "No incident."
    went = [one for one in report.releases if one.state in _WENT_LIVE]
    back = [one for one in report.releases if one.state == ReleaseState.ROLLED_BACK]
    if report.releases:
        yield (
            f"{_many(len(report.releases), 'release').capitalize()}: {len(went)} went live, "
            f"{len(back)} {_were(len(back))} taken back."
        )


_WENT_LIVE = (ReleaseState.WATCHED, ReleaseState.PROMOTED, ReleaseState.SUPERSEDED)


def _many(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
