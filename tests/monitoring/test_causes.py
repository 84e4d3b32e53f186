"""What did it is named with its share, what did nothing is not, and silence is honest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from holdfast.monitoring.attribution import Attribution, Carried, attribute
from holdfast.monitoring.attribution import Cause as Found
from holdfast.monitoring.causes import causes_of
from holdfast.monitoring.count import count
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.merge import blocks
from holdfast.records import Finding
from holdfast.statistics.exact import clopper_pearson

START = datetime(2026, 3, 1, tzinfo=UTC)


def _finding(kind: str = "realised_loss", *, pages: bool = True) -> Finding:
    return Finding(
        id="f", model="m", version=1, kind=kind, subject="loss", pages=pages, since=START,
        at=START, sentence="The loss rose.",
    )  # fmt: skip


def _cause(subject: str, value: float, error: float = 0.002, kind: str = "input") -> Found:
    loss = Carried(value, value - 1.96 * error, value + 1.96 * error)
    return Found(kind, subject, loss, loss.low > 0, 1000)


def _attribution(*causes: Found, expected: float = 0.08, measured: float | None = None):
    return Attribution(
        since=START, rows=1000, expected=Carried(expected, expected - 0.01, expected + 0.01),
        measured=measured, unexplained=None if measured is None else measured - expected,
        causes=causes, inputs_sum=0.0,
    )  # fmt: skip


def test_the_top_causes_have_shares_of_the_measured_rise():
    found = _attribution(
        _cause("fog", 0.06), _cause("origin=JFK", 0.03, kind="slice"), _cause("origin", 0.029),
        _cause("hour", 0.02), _cause("wind", 0.011), _cause("rain", 0.001), measured=0.1,
    )  # fmt: skip
    causes = causes_of([_finding()], found, 200)
    assert [one.subject for one in causes.top] == ["fog", "origin=JFK", "hour"]
    fog = causes.top[0]
    assert fog.share == pytest.approx(0.6)
    assert fog.share_low < fog.share < fog.share_high
    assert (causes.rise, causes.measured, causes.rows) == (0.1, True, 1000)
    assert causes.sentence == (
        "The mean loss has risen by 0.100, as measured; of that "
        "fog carries 0.060 (0.056 to 0.064), which is 60 % (56 % to 64 %); "
        "origin=JFK carries 0.030 (0.026 to 0.034), which is 30 % (26 % to 34 %); "
        "hour carries 0.020 (0.016 to 0.024), which is 20 % (16 % to 24 %). "
        "Inputs that go together carry the same loss, so their shares may overlap. "
        "20 % of it goes with no change of what comes in: what the inputs mean may have changed."
    )


def test_when_only_the_meaning_changed_no_input_is_blamed():
    found = _attribution(_cause("fog", 0.001), expected=0.0, measured=0.2)
    causes = causes_of([_finding()], found, 200)
    assert causes.top == ()
    assert "No input and no slice is shown to carry it." in causes.sentence
    assert "100 % of it goes with no change of what comes in" in causes.sentence


def test_without_a_rise_there_are_no_shares():
    found = _attribution(_cause("fog", 0.02), expected=0.001)
    causes = causes_of([_finding("prediction_drift", pages=False)], found, 200)
    assert causes.sentence.startswith("It is not known that the mean loss has risen. What came in")
    assert (causes.rise, causes.top[0].share) == (None, None)
    fallen = replace(found, measured=-0.01, unexplained=-0.011)
    assert causes_of([_finding()], fallen, 200).rise is None


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([_finding("contract"), _finding()], "while the inputs are broken"),
        ([_finding()], "fewer than 200 rows"),
    ],
)
def test_it_says_why_nothing_can_be_said(findings, said):
    attribution = _attribution(_cause("fog", 0.05)) if len(findings) > 1 else None
    causes = causes_of(findings, attribution, 200)
    assert said in causes.sentence
    assert (causes.top, causes.rise, causes.rows) == ((), None, 0)


def test_what_is_neither_quality_nor_drift_has_no_causes():
    assert causes_of([_finding("silence")], _attribution(), 200) is None
    assert causes_of([], _attribution(), 200) is None


def _world(rng: np.random.Generator, rows: int):
    """Twenty inputs that do nothing; the chance itself is what the model answers."""
    import polars as pl

    chance = rng.uniform(0.05, 0.5, rows)
    step = np.timedelta64(86_400_000_000 // rows, "us")
    return pl.DataFrame(
        {f"x{i}": rng.normal(size=rows) for i in range(20)}
        | {
            "at": np.datetime64("2026-03-01", "us") + np.arange(rows) * step,
            "prediction": chance,
            "label": rng.random(rows) < chance,
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


def test_inputs_that_did_nothing_are_hardly_ever_named():
    from datetime import timedelta

    rng = np.random.default_rng(5)
    features = [f"x{i}" for i in range(20)]
    named, repeats = 0, 40
    for _ in range(repeats):
        held, now = _world(rng, 1500), _world(rng, 1500)
        losses = (held["prediction"].to_numpy() - held["label"].to_numpy()) ** 2
        reference = freeze(
            held, held["label"].to_numpy(), losses, task="binary", features=features, slices=[],
            at=held["at"],
        )  # fmt: skip
        seen = blocks(
            count(now, reference, model="m", version=1, slices=[]), reference.bins,
            since=START, until=START + timedelta(days=1), length=timedelta(days=1),
        )  # fmt: skip
        found = causes_of([_finding()], attribute(reference, seen, {}, since=START), 200)
        named += bool(found.top)
    # One look in twenty may name one, by two-sided intervals of which only rises count.
    assert clopper_pearson(named, repeats, 0.05)[0] <= 0.05
