"""Checks a project as far as that is possible without training."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

from croniter import croniter

from holdfast.data import sources, splits
from holdfast.data.groups import check_groups
from holdfast.errors import SpecError
from holdfast.loop.channels import check_kind, unset
from holdfast.loop.container import Container
from holdfast.loop.pipeline import breaches_of, refuse_hard
from holdfast.records import Breach, Record
from holdfast.spec import Spec, parse_size
from holdfast.statistics.metrics import check_metric


class CheckReport(Record, frozen=True, kw_only=True):
    """What was found in order.

    Args:
        rows: rows of the source.
        known: rows whose label is known now, within the retraining window.
        train: rows that would be trained on; ``test`` those held out.
        breaches: soft breaks of the champion's data contract.
        unset: variables that ``[[notify]]`` names and that are not set here.
    """

    model: str
    ok: bool
    rows: int
    known: int
    train: int
    test: int
    breaches: tuple[Breach, ...] = ()
    unset: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The report as text."""
        yield f"{self.model}: spec, code and data are in order"
        yield f"  {self.rows:,} rows, {self.known:,} with a label that is known now"
        yield f"  {self.train:,} would be trained on, the newest {self.test:,} held out"
        for breach in self.breaches:
            yield f"  note: {breach.sentence}"
        for name in self.unset:
            yield f"  note: [[notify]] needs {name} where the control plane runs; not set here"


def _check_schedule(spec: Spec) -> None:
    schedule = spec.retrain.schedule
    if schedule is not None and not croniter.is_valid(schedule):
        raise SpecError(
            "spec.schedule",
            f"'retrain.schedule': '{schedule}' is not a cron line",
            "Write it like '0 3 * * 1': minute, hour, day of month, month, day of week.",
        )


def check_project(container: Container) -> CheckReport:
    """Checks spec, code and data of the project.

    Raises:
        SpecError: when ``holdfast.toml`` is wrong.
        UserCodeError: when a callable is missing or its module cannot be imported.
        DataError: when the data cannot be read or hard-breaks the champion's contract.
    """
    spec = container.project_spec()
    check_metric(spec.watched, spec.model.task)
    for name in spec.monitor.metrics:
        check_metric(name, spec.model.task, "[monitor] metrics")
    if spec.gate.max_size is not None:
        parse_size(spec.gate.max_size)
    _check_schedule(spec)
    for channel in spec.notify:
        check_kind(channel)
    with tempfile.TemporaryDirectory(prefix="holdfast-check-") as name:
        user_code = container.user_code(spec, Path(name) / "check.log", {})
        if sources.is_callable(spec.data.source):
            # Importing the project takes seconds, so one process sees to all callables.
            user_code = dataclasses.replace(user_code, also=(*user_code.also, spec.model.train))
        else:
            user_code.find(spec.model.train)
        frame = sources.read(spec.data, spec.root, user_code)
    check_groups(frame, spec)
    known = sources.known_at(frame, spec.data, container.clock.now(), spec.retrain.window)
    split = splits.by_time(known, spec.data)
    breaches = breaches_of(container, spec.model.name, known)
    refuse_hard(breaches)
    return CheckReport(
        model=spec.model.name,
        ok=True,
        rows=frame.height,
        known=known.height,
        train=split.train.height,
        test=split.test.height,
        breaches=breaches,
        unset=tuple(name for channel in spec.notify for name in unset(channel)),
    )
