"""A release in words: its steps, and what is known of the new version beside the old one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from holdfast.control.panels import Badge, ReleasePanel, StepLine, Tone
from holdfast.control.words import lasting, loss, number, seconds, share, state_of, when
from holdfast.records import Evidence, Release, ReleaseState
from holdfast.release.context import Context
from holdfast.spec import Spec

_TONES: dict[ReleaseState, Tone] = {
    ReleaseState.PENDING: "warn",
    ReleaseState.SHADOW: "busy",
    ReleaseState.CANARY: "busy",
    ReleaseState.WATCHED: "good",
    ReleaseState.PROMOTED: "good",
    ReleaseState.ABORTED: "bad",
    ReleaseState.ROLLED_BACK: "bad",
    ReleaseState.INCONCLUSIVE: "warn",
    ReleaseState.SUPERSEDED: "quiet",
}


def state_badge(release: Release) -> Badge:
    """The state of a release."""
    return Badge(state_of(release), _TONES[release.state])


def release_panel(release: Release, spec: Spec, now: datetime) -> ReleasePanel:
    """The panel of a release that has not ended."""
    return ReleasePanel(
        release=release,
        badge=state_badge(release),
        steps=tuple(_steps(release, spec)),
        evidence=tuple(sentences(release, spec.gate.alpha)),
    )


def _steps(release: Release, spec: Spec) -> Iterator[StepLine]:
    moving = release.state in (ReleaseState.SHADOW, ReleaseState.CANARY)
    live = release.state == ReleaseState.WATCHED
    if spec.release.approval != "none":
        waits = release.state == ReleaseState.PENDING
        agreed = f": {', '.join(release.approvals)}" if release.approvals else ""
        yield StepLine(f"agreement{agreed}", "now" if waits else "done")
    for place, step in enumerate(release.plan):
        text = "shadow" if step.kind == "shadow" else f"{share(step.weight)} of requests"
        if live or (moving and place < release.step):
            yield StepLine(text, "done")
        else:
            yield StepLine(text, "now" if moving and place == release.step else "next")
    end = f" until {when(release.step_at + spec.release.watch)}" if live else ""
    yield StepLine(f"live and watched{end}", "now" if live else "next")
    yield StepLine(f"promoted after {lasting(spec.release.watch)}", "next")


def sentences(release: Release, alpha: float) -> Iterator[str]:
    """What is known, one sentence each."""
    e, old = release.evidence, release.previous
    if old is None:
        yield "It is the first version of this model, so there is nothing to compare it with."
        return
    if e.pairs == 0:
        yield f"No row has been answered by both version {release.version} and version {old} yet."
        return
    yield f"Both versions have answered {number(e.pairs)} of the same rows."
    yield _disagreement(e, alpha)
    yield _labels(e, old, alpha)
    if e.errors or e.champion_errors:
        yield (
            f"It failed to answer {_rows(e.errors)}; version {old} failed on "
            f"{_rows(e.champion_errors)}{_strength(e.log_e_errors, 'fails more often', alpha)}."
        )
    else:
        yield "Neither has failed to answer a row."
    if e.latency_pairs:
        slow = _strength(e.log_e_slow, "is slower than is tolerated", alpha)
        yield (
            f"{number(e.latency_pairs)} requests were timed beside one of version {old} at the "
            f"same time{slow}."
        )
    if e.latency_p99 is not None:
        yield f"99 % of its answers took at most {seconds(e.latency_p99)}."
    if e.breach:
        yield e.breach


def _disagreement(e: Evidence, alpha: float) -> str:
    found = f"The answers differ by {loss(e.disagreement)} on average"
    said = f"{loss(e.expected)} was expected from the held-out rows"
    if e.slice:
        there = f"{loss(e.slice_disagreement)} instead of {loss(e.slice_expected)}"
        said = f"{said}; the most where {e.slice}: {there}"
    return f"{found}; {said}{_strength(e.log_e_disagree, 'differs more than that', alpha)}."


def _labels(e: Evidence, old: int, alpha: float) -> str:
    if e.labelled == 0:
        return "None of these rows has a label yet."
    if loss(abs(e.loss_difference)) == "0.000":
        compared = f"the same as that of version {old}"
    else:
        word = "higher" if e.loss_difference > 0 else "lower"
        compared = f"{loss(abs(e.loss_difference))} {word} than that of version {old}"
    text = f"{number(e.labelled)} of them have a label: the mean loss is {compared}"
    if e.log_e_fine >= Context(alpha=alpha).fine_at:
        return f"{text}, and it is shown not to be worse by the margin."
    return f"{text}{_strength(e.log_e_worse, 'is worse', alpha)}."


def _strength(log_e: float, what: str, alpha: float) -> str:
    """The e-value against what would stop the release; nothing while it says nothing."""
    if log_e <= 0:
        return ""
    stop = math.exp(Context(alpha=alpha).abort_at)
    value = "over 1,000" if log_e > math.log(1000) else f"{math.exp(log_e):.3g}"
    return f" (e-value {value} that it {what}; {stop:,.0f} would stop the release)"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{number(count)} rows"
