"""The top causes behind the findings of a look, for people; or why none can be named.

Named is what is shown to carry a rise of the loss: its lower bound is above 0 with the error rate
divided by the number of inputs and slices that were asked (Bonferroni), and it carries a part of
the whole that is worth naming. An input and its slices tell one story: a column is named once.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

from holdfast.monitoring.attribution import Attribution, Carried
from holdfast.monitoring.attribution import Cause as Found
from holdfast.records import Cause, Causes, Finding

_KINDS = ("realised_loss", "estimated_loss", "prediction_drift", "input_drift")
_MOST = 3
_LEAST_SHARE = 0.05
_ALPHA = 0.05
_Z = NormalDist().inv_cdf(1 - _ALPHA / 2)


def causes_of(
    findings: Sequence[Finding], attribution: Attribution | None, minimum: int
) -> Causes | None:
    """What carries the loss behind some findings; None when they are not of quality or drift.

    Args:
        findings: of one look.
        attribution: of the same look; None when it had too few rows.
        minimum: fewest rows of an attribution, named when there were fewer.
    """
    if not any(finding.kind in _KINDS for finding in findings):
        return None
    if any(finding.kind == "contract" and finding.pages for finding in findings):
        return Causes(
            sentence="No causes can be named while the inputs are broken: what came in says "
            "nothing of the world."
        )
    if attribution is None:
        return Causes(
            sentence="No causes can be named: the complete blocks since it began have fewer than "
            f"{minimum:,} rows."
        )
    rise = _rise(attribution)
    top = tuple(_named(one, rise) for one in _top(attribution, rise))
    return Causes(
        sentence=" ".join(_said(attribution, rise, top)),
        top=top,
        rise=rise,
        measured=attribution.measured is not None,
        unexplained=attribution.unexplained if rise is not None else None,
        rows=attribution.rows,
    )


def _rise(attribution: Attribution) -> float | None:
    """The whole that shares are of; None when the loss is not known to have risen."""
    if attribution.measured is not None:
        return attribution.measured if attribution.measured > 0 else None
    return attribution.expected.value if attribution.expected.low > 0 else None


def _top(attribution: Attribution, rise: float | None) -> list[Found]:
    asked = max(len(attribution.causes), 1)
    strict = NormalDist().inv_cdf(1 - _ALPHA / (2 * asked)) / _Z
    top: dict[str, Found] = {}
    for one in attribution.causes:
        column = one.subject.partition("=")[0] if one.kind == "slice" else one.subject
        worth = rise is None or one.loss.value >= _LEAST_SHARE * rise
        if worth and _lower(one.loss, strict) > 0 and column not in top:
            top[column] = one
    return list(top.values())[:_MOST]


def _lower(loss: Carried, strict: float) -> float:
    return loss.value - strict * (loss.value - loss.low)


def _named(one: Found, rise: float | None) -> Cause:
    bounds = (one.loss.value, one.loss.low, one.loss.high)
    shares = (None, None, None) if rise is None else tuple(value / rise for value in bounds)
    return Cause(
        kind=one.kind, subject=one.subject, loss=bounds[0], low=bounds[1], high=bounds[2],
        share=shares[0], share_low=shares[1], share_high=shares[2],
    )  # fmt: skip


def _said(attribution: Attribution, rise: float | None, top: Sequence[Cause]) -> list[str]:
    if rise is None:
        said = ["It is not known that the mean loss has risen."]
        if top:
            said.append(f"What came in would raise it: {_listed(top)}.")
        return said
    how = "measured" if attribution.measured is not None else "expected from the predictions"
    head = f"The mean loss has risen by {rise:.3f}, as {how}"
    said = [f"{head}; of that {_listed(top)}."] if top else [f"{head}."]
    if not top:
        said.append("No input and no slice is shown to carry it.")
    elif len(top) > 1:
        said.append("Inputs that go together carry the same loss, so their shares may overlap.")
    left = attribution.unexplained
    if left is not None and left >= _LEAST_SHARE * rise:
        part = min(left / rise, 1.0)
        said.append(
            f"{_percent(part)} of it goes with no change of what comes in: what the inputs mean "
            "may have changed."
        )
    return said


def _listed(top: Sequence[Cause]) -> str:
    return "; ".join(map(told, top))


def told(cause: Cause) -> str:
    """One cause in words.

    >>> told(Cause(kind="input", subject="fog", loss=0.03, low=0.02, high=0.04))
    'fog carries 0.030 (0.020 to 0.040)'
    """
    carries = f"{cause.subject} carries {cause.loss:.3f} ({cause.low:.3f} to {cause.high:.3f})"
    if cause.share is None or cause.share_low is None or cause.share_high is None:
        return carries
    return (
        f"{carries}, which is {_percent(cause.share)} ({_percent(max(cause.share_low, 0))} to "
        f"{_percent(cause.share_high)})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
