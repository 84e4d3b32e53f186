"""Leakage: a feature that predicts too well alone may be the label under another name."""

from __future__ import annotations

from statistics import NormalDist

from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import number, percent, plural
from holdfast.records import Check
from holdfast.spec import Gate

NAME = "leakage"


def check_leakage(evidence: GateEvidence, policy: Gate) -> Check | None:
    """Inconclusive when one feature is shown to explain more than ``max_alone`` by itself.

    Not a failure, because a feature may honestly be that good; but a number that a leak may have
    flattered proves nothing until a person has looked. Who has looked names the feature in
    ``known``. The bound of each feature is at ``alpha`` divided by the number of features, so that
    no honest one is suspected in more than about ``alpha`` of all samples.

    Returns:
        The check, or None when features were not measured.
    """
    alone = evidence.alone
    if not alone:
        return None
    z = NormalDist().inv_cdf(1 - policy.alpha / len(alone))
    suspected = [
        one for one in alone
        if one.name not in policy.known and one.value - z * one.se > policy.max_alone
    ]  # fmt: skip
    best = max(suspected or alone, key=lambda one: one.value)
    low, high = best.value - z * best.se, best.value + z * best.se
    bounds = f"{percent(1 - policy.alpha)} bounds {number(low, 2)} to {number(high, 2)}"
    if suspected:
        more = f" ({plural(len(suspected), 'feature')} in all)" if len(suspected) > 1 else ""
        said = (
            f"'{best.name}' alone explains {number(best.value, 2)} of the label ({bounds}){more}, "
            f"more than {number(policy.max_alone, 2)}: check that it is known when predictions "
            "are made, then name it in [gate] known"
        )
    else:
        said = (
            f"no feature is suspected of leaking the label: the best one, '{best.name}', explains "
            f"{number(max(best.value, 0.0), 2)} of it alone ({bounds})"
        )
    return Check(
        name=NAME,
        outcome="inconclusive" if suspected else "pass",
        sentence=said,
        value=best.value,
        low=low,
        high=high,
        threshold=policy.max_alone,
        detail=tuple(
            {"feature": one.name, "value": one.value, "se": one.se}
            for one in sorted(alone, key=lambda one: -one.value)[:200]
        ),
    )
