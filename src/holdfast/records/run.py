"""A run: one execution of the training callable on a dataset version."""

from __future__ import annotations

from holdfast.records.base import Record, Time


class Metric(Record, frozen=True, kw_only=True):
    """A metric with its bootstrap interval.

    Args:
        name: scikit-learn's scorer name; greater is better.
        low: lower bound of the interval at ``level``.
        n: rows it was computed on.
    """

    name: str
    value: float
    low: float
    high: float
    level: float = 0.95
    n: int = 0


class CodeVersion(Record, frozen=True, kw_only=True):
    """The code a run used: the git commit when there is one, and always a digest of its files."""

    digest: str
    commit: str | None = None
    dirty: bool = False


class Run(Record, frozen=True, kw_only=True):
    """An MLflow run. ``id`` is MLflow's run id; ``lock`` the digest of the environment lock."""

    id: str
    model: str
    dataset: str
    code: CodeVersion
    lock: str
    metrics: tuple[Metric, ...]
    started_at: Time
    finished_at: Time
    train_rows: int
    test_rows: int
