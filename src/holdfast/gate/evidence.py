"""What the gate judges: scores on held-out rows, and what was measured besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from holdfast.errors import GateError
from holdfast.records import Breach
from holdfast.spec import Task
from holdfast.statistics.draws import Draws
from holdfast.statistics.losses import Array, Label


class Behaviour(NamedTuple):
    """One behavioural check that was run.

    Args:
        name: such as ``test_longer_delay_never_lowers_the_risk``.
        passed: what it said.
        message: why not, when it did not pass.
    """

    name: str
    passed: bool
    message: str = ""


class Span(NamedTuple):
    """Prediction times of the rows a version was fitted on; both aware UTC."""

    start: datetime
    end: datetime


class Alone(NamedTuple):
    """How much of the label one feature explains by itself; see ``holdfast.statistics.single``.

    Args:
        name: the feature.
        value: 1 − loss of the feature alone / loss of a constant, on the held-out rows.
        se: its standard error.
    """

    name: str
    value: float
    se: float


@dataclass(frozen=True, eq=False, kw_only=True)
class GateEvidence:
    """Everything the gate knows of one candidate; all arrays are of the same held-out rows.

    Args:
        model: name of the model.
        version: number of the candidate.
        task: what is predicted.
        truth: (n,) raw labels, or true values.
        score: the candidate's answers. Binary: (n,) probability of ``positive``; multiclass: (n, k)
            in the order of ``classes``; regression: (n,) values.
        champion: number of the version to compare with; None for a first version.
        champion_score: the champion's answers on the same rows; needed with ``champion``.
        classes: class labels; needed for multiclass.
        positive: label (not index) of the positive class, for binary.
        scale: regression: the error that counts as loss 1, in the unit of the label.
        slices: column → (n,) values, for every column of ``[gate] slices``.
        groups: column → (n,) values, for every column of ``[gate] fairness``.
        latency_p99: seconds of a one-row prediction at the 99th percentile; None: not measured.
        latency_bounds: bounds of that percentile by order statistics; None: not known.
        size: bytes of the bundle; None: not measured.
        behaviours: the behavioural checks; None: not run.
        breaches: broken clauses of the data contract; None: not checked.
        alone: what single features explain; None: not measured.
        imports: names that loading the bundle's pickle would import; None: not looked at.
        time: (n,) prediction times as UTC ``datetime64``; with the spans it shows which rows a
            version has seen in training.
        trained: training span of the candidate.
        champion_trained: training span of the champion.
        own: the metric of the project's own, of the candidate and then of the champion; None when
            the gate's metric is a built-in one.

    Raises:
        GateError: when there are no rows, or arrays are not of the same length.
    """

    model: str
    version: int
    task: Task
    truth: Array
    score: Array
    champion: int | None = None
    champion_score: Array | None = None
    classes: tuple[Label, ...] = ()
    positive: Label = 1
    scale: float = 1.0
    slices: Mapping[str, Array] = field(default_factory=dict)
    groups: Mapping[str, Array] = field(default_factory=dict)
    latency_p99: float | None = None
    latency_bounds: tuple[float, float] | None = None
    size: int | None = None
    behaviours: tuple[Behaviour, ...] | None = None
    breaches: tuple[Breach, ...] | None = None
    alone: tuple[Alone, ...] | None = None
    imports: frozenset[str] | None = None
    time: Array | None = None
    trained: Span | None = None
    champion_trained: Span | None = None
    own: Draws | None = None

    def __post_init__(self) -> None:
        if not len(self.truth):
            raise GateError(
                "gate.no_rows",
                f"there are no held-out rows to judge version {self.version} on",
                "Give the data more labelled rows, or raise [data] test.",
            )
        if (self.champion is None) != (self.champion_score is None):
            raise GateError(
                "gate.evidence",
                "a champion and its scores must be given together",
                "Give both, or neither for a first version.",
            )
        arrays = {"score": self.score, **{f"slice '{k}'": v for k, v in self.slices.items()}}
        arrays |= {f"group '{k}'": v for k, v in self.groups.items()}
        optional = {"champion_score": self.champion_score, "time": self.time}
        arrays |= {name: array for name, array in optional.items() if array is not None}
        for name, array in arrays.items():
            if len(array) != len(self.truth):
                raise GateError(
                    "gate.evidence",
                    f"{name} has {len(array):,} rows where the labels have {len(self.truth):,}",
                    "Score exactly the held-out rows, in their order.",
                )

    @property
    def rows(self) -> int:
        """Number of held-out rows."""
        return len(self.truth)
