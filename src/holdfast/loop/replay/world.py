"""An installation of its own for one course of a replay, on a clock of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from holdfast.loop.clock import RehearsalClock
from holdfast.loop.container import Container, replace
from holdfast.loop.settings import Settings, prepare
from holdfast.spec import Notify, Retrain, Spec
from holdfast.store.models import ModelEntry

CLOCK = "clock"


class ReplayContainer(Container):
    """The wiring of an installation whose one model is declared by a policy, not by a file.

    Args:
        home: folder of all its state; nothing is read from or written to the user's own.
        spec: of :func:`replayable`.
        clock: the time of the replay.
    """

    def __init__(self, home: Path, spec: Spec, clock: RehearsalClock) -> None:
        settings = Settings(
            home=home,
            database_url=f"sqlite:///{home / 'holdfast.db'}",
            tracking_uri=f"sqlite:///{home / 'mlflow.db'}",
            clock=str(home / CLOCK),
        )
        super().__init__(prepare(settings), spec.root, clock)
        self.rehearsal = clock
        self._declared = spec

    @classmethod
    def make(cls, home: Path, spec: Spec, begin: datetime) -> ReplayContainer:
        """A new installation, or the one that is there, with the time it had reached."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = home / CLOCK
        clock = RehearsalClock(file) if file.exists() else RehearsalClock.create(file, begin)
        container = cls(home, spec, clock)
        container.project_spec()
        return container

    def spec(self, model: str) -> Spec:  # noqa: ARG002 - there is one model
        """The model's spec under this policy."""
        return self._declared

    def project_spec(self) -> Spec:
        """The same; the model becomes known to the home."""
        spec = self._declared
        entry = ModelEntry(
            name=spec.model.name, root=str(spec.root), text="", added_at=self.clock.now()
        )
        with self.store.begin() as tx:
            if self.store.models.find(tx, entry.name) is None:
                self.store.models.save(tx, entry)
        return spec


def replayable(spec: Spec, source: Path) -> Spec:
    """A spec as a replay can hold to it.

    Rows come from the history's own file. Nobody is told and nobody can approve, no code changes
    and no webhook calls, and how fast this machine answers is no matter of history.

    Args:
        spec: as declared.
        source: Parquet file of the history.
    """
    triggers = tuple(one for one in spec.retrain.on if one not in ("code", "webhook"))
    retrain: Retrain = replace(spec.retrain, on=triggers)
    channels: tuple[Notify, ...] = ()
    changed: Spec = replace(
        spec,
        data=replace(spec.data, source=str(source), query=None),
        gate=replace(spec.gate, max_latency_p99=None),
        release=replace(spec.release, approval="none", automatic=True),
        retrain=retrain,
        notify=channels,
    )
    return changed
