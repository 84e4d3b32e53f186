"""How far to believe the monitor: its rehearsal, and past estimates against later truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.control.panels import Badge
from holdfast.control.seen import SeenLook, SeenSelection, SeenStratum, SeenTrack
from holdfast.control.words import loss, number
from holdfast.records import Armed

_MONITORS = {"realised_loss": "Monitor of measured loss", "estimated_loss": "Monitor of estimates"}
_ESTIMATES = {
    "calibrated": "Estimates by calibration",
    "adapted": "Estimates for the inputs that came",
}
_LABELS = "Labels"
_FEW = 10
_PROMISED = 0.95
_MANY_MISSES = 0.8


@dataclass(frozen=True, slots=True)
class TrustLine:
    """One thing that can be believed so far.

    Args:
        what: the monitor, or the kind of estimate.
        badge: in a word.
        said: in sentences.
    """

    what: str
    badge: Badge
    said: str


def trust(look: SeenLook | None) -> tuple[TrustLine, ...]:
    """What is known of the monitors of one version; empty when it was not looked at."""
    if look is None:
        return ()
    monitors = () if look.arming is None else look.arming.monitors
    labels = () if look.selection is None else (_labels(look.selection),)
    return (*map(_rehearsed, monitors), *labels, *_tracked(look))


def _rehearsed(one: Armed) -> TrustLine:
    badge = Badge("may page", "good") if one.armed else Badge("may not page", "warn")
    if one.replayed is None:
        badge = Badge("not rehearsed", "warn")
    said = one.sentence[:1].upper() + one.sentence[1:]
    return TrustLine(_MONITORS.get(one.monitor, one.monitor), badge, f"{said}.")


def _labels(found: SeenSelection) -> TrustLine:
    share = f"{found.labelled / found.rows:.0%} of {number(found.rows)} predictions have one"
    if found.least is None or found.most is None:
        alike = "no matter what the model answered"
        return TrustLine(_LABELS, Badge("of all kinds alike", "good"), f"{share}, {alike}.")
    said = (
        f"{share}: {_kind(found.most)}, but {_kind(found.least)}. The measured loss is of those"
        " that have labels."
    )
    if found.low is None or found.high is None:
        return TrustLine(_LABELS, Badge("selective", "warn"), said)
    between = f"{loss(found.low)} to {loss(found.high)}"
    if found.loss is not None:
        said += f" Over all predictions it is {loss(found.loss)} ({between}), if labels are a fair"
        said += " sample of each kind."
        return TrustLine(_LABELS, Badge("selective", "warn"), said)
    said += f" Of {found.blind:.0%} of the predictions nothing is known, so that over all it may be"
    return TrustLine(_LABELS, Badge("partly blind", "bad"), f"{said} anything from {between}.")


def _kind(one: SeenStratum) -> str:
    return f"{one.labelled / one.rows:.0%} of those {one.name}"


def _tracked(look: SeenLook) -> Iterator[TrustLine]:
    for one in look.track:
        what = _ESTIMATES.get(one.estimate, one.estimate)
        if not one.blocks or one.bias is None or one.error is None:
            said = "No block has both such an estimate and labels for nine predictions in ten yet."
            reason = next((e.reason for e in reversed(look.adapted) if e.reason), "")
            if one.estimate == "adapted" and reason:
                said += f" The newest refusal: {reason}."
            yield TrustLine(what, Badge("not judged yet"), said)
        else:
            yield TrustLine(what, _kept(one), _said(one, one.bias, one.error))


def _kept(one: SeenTrack) -> Badge:
    if one.blocks < _FEW:
        return Badge("few blocks so far")
    kept = one.held / one.blocks
    if kept >= _PROMISED:
        return Badge("as promised", "good")
    return Badge("misses often", "bad") if kept < _MANY_MISSES else Badge("misses at times", "warn")


def _said(one: SeenTrack, bias: float, error: float) -> str:
    blocks = "1 block" if one.blocks == 1 else f"{number(one.blocks)} blocks"
    lean = "neither too high nor too low on the whole"
    if loss(abs(bias)) != "0.000":
        lean = f"too {'high' if bias > 0 else 'low'} by {loss(abs(bias))} on the whole"
    return (
        f"In {number(one.held)} of {blocks} the 95 % interval held the loss that labels told of "
        f"later. The estimates were off by {loss(error)} on average, and {lean}."
    )
