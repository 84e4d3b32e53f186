"""Which streams are drawn: without a change in all shapes, and with changes of all kinds."""

from __future__ import annotations

from typing import NamedTuple

from detection.learned import Flights, Generated
from detection.streams import Table

Scenario = Table | Generated | Flights


class Plan(NamedTuple):
    """A scenario and how often it is drawn: by us, and by the peers on the first of these."""

    scenario: Scenario
    streams: int
    by_peers: int
    knobs: bool  # whether peers are run at all settings, not at their default only


NULLS = (
    Table(name="independent, 5 columns, 1,000 rows a day", columns=5, rows=1000),
    Table(name="independent, 20 columns, 100 rows a day", columns=20, rows=100),
    Table(name="independent, 20 columns, 1,000 rows a day", columns=20, rows=1000),
    Table(name="independent, 20 columns, 10,000 rows a day", columns=20, rows=10_000),
    Table(name="independent, 20 columns, 100,000 rows a day", columns=20, rows=100_000),
    Table(name="independent, 50 columns, 1,000 rows a day", columns=50, rows=1000),
    Table(name="independent, 200 columns, 1,000 rows a day", columns=200, rows=1000),
    Table(name="autocorrelated days, 20 columns, 1,000 rows a day", columns=20, rows=1000,
          nature="autocorrelated"),
    Table(name="autocorrelated days, 20 columns, 10,000 rows a day", columns=20, rows=10_000,
          nature="autocorrelated"),
    Table(name="daily season, 20 columns, 1,000 rows a day", columns=20, rows=1000, nature="daily"),
    Table(name="weekly season, 20 columns, 1,000 rows a day", columns=20, rows=1000,
          nature="weekly"),
    Table(name="weekly season, 20 columns, 10,000 rows a day", columns=20, rows=10_000,
          nature="weekly"),
    Table(name="heavy tails, gaps, values of 10⁶, 20 columns, 1,000 rows a day", columns=20,
          rows=1000, nature="heavy"),
    Flights(name="flights, days shuffled"),
)  # fmt: skip

DRIFTS: tuple[Scenario, ...] = (
    *(Table(name=f"one input by {size} sd", change="covariate", size=size)
      for size in (0.1, 0.2, 0.3, 0.5, 1.0)),
    Table(name="one input by 0.3 sd, 2,000 rows a day", change="covariate", size=0.3, rows=2000),
    Table(name="one input by 0.5 sd, 100 rows a day", change="covariate", size=0.5, rows=100),
    Table(name="one input by 0.5 sd, over 20 days", change="covariate", size=0.5, course="gradual"),
    Table(name="one input by 0.5 sd, 5 days of 10", change="covariate", size=0.5,
          course="recurring"),
    Table(name="all inputs by 0.2 sd", change="everywhere", size=0.2),
    Table(name="all inputs by 0.5 sd", change="everywhere", size=0.5),
    Table(name="label odds × 1.5", change="label", size=1.5),
    Table(name="label odds × 3", change="label", size=3.0),
    *(Table(name=f"concept: {size:.0%} of labels turned round", change="concept", size=size)
      for size in (0.05, 0.1, 0.2)),
    Table(name="concept: up to 20% of labels, over 20 days", change="concept", size=0.2,
          course="gradual"),
    Table(name="concept: 20% of labels, 5 days of 10", change="concept", size=0.2,
          course="recurring"),
    Table(name="correlation 0.5 of inputs the model ignores", change="unseen pair", size=0.5),
    Table(name="correlation 0.9 of inputs the model ignores", change="unseen pair", size=0.9),
    Table(name="correlation 0.7 of inputs the model uses", change="used pair", size=0.7),
    Table(name="autocorrelated days: one input by 0.5 sd", change="covariate", size=0.5,
          nature="autocorrelated"),
    Table(name="autocorrelated days: concept, 20% of labels", change="concept", size=0.2,
          nature="autocorrelated"),
    Generated(name="SEA, concept 0 to 1", generator="sea", size=1),
    Generated(name="SEA, concept 0 to 3", generator="sea", size=3),
    Generated(name="Agrawal, concept 0 to 2", generator="agrawal", size=2),
    Generated(name="Hyperplane, turning slowly", generator="hyperplane", size=0.0002),
    Generated(name="STAGGER, concept 0 to 1", generator="stagger", size=1),
    Generated(name="LED, 3 of 7 segments change places with noise", generator="led", size=3),
    Flights(name="flights: wind in km/h", change="wind"),
    Flights(name="flights: temperature by 0.5 sd", change="temp", size=0.5),
    Flights(name="flights: the largest carrier is gone", change="carrier"),
    Flights(name="flights: concept, 10% of labels turned round", change="concept", size=0.1),
)  # fmt: skip

YEAR = Flights(name="flights of 2013, in order", in_order=True, days=260)


def plans(*, quick: bool, peers: bool, rounds: int) -> tuple[list[Plan], list[Plan], list[Plan]]:
    """What to draw: streams without a change, those that settings are chosen on, and with one.

    Args:
        quick: few scenarios, and few streams of each.
        peers: whether river is there, whose generators are used then.
        rounds: a measure of how many streams.
    """
    drifts = [one for one in DRIFTS if peers or not isinstance(one, Generated)]
    nulls = list(NULLS)
    if quick:
        rounds, nulls = 1, [one for one in nulls if one.name in QUICK]
        drifts = [one for one in drifts if one.name in QUICK]
    unchanged = list(dict.fromkeys(one.null for one in drifts))
    share = 10 if quick else 1
    return (
        [Plan(one, -(-streams(one) * rounds // 3 // share), _by_peers(one) * 2 * rounds // share,
              knobs=False) for one in nulls],
        [Plan(one, -(-8 * rounds // min(share, 2)), -(-8 * rounds // min(share, 2)), knobs=True)
         for one in unchanged],
        [Plan(one, 4 * rounds, 4 * rounds, knobs=True) for one in drifts],
    )  # fmt: skip


QUICK = {
    "independent, 20 columns, 1,000 rows a day",
    "autocorrelated days, 20 columns, 1,000 rows a day",
    "one input by 0.5 sd", "label odds × 3", "concept: 20% of labels turned round",
    "STAGGER, concept 0 to 1",
}  # fmt: skip


def streams(scenario: Scenario) -> int:
    """In three rounds; fewer of the large ones."""
    cells = scenario.rows * scenario.columns if isinstance(scenario, Table) else 0
    if cells >= 1_000_000:
        return 8
    return 15 if cells >= 200_000 else 30


def _by_peers(scenario: Scenario) -> bool:
    return not isinstance(scenario, Table) or scenario.rows * scenario.columns < 1_000_000
