"""The agenda: which of many models have something new, without asking for each of them.

Everything that changes a model's state writes an event in the same transaction, so the audit log
says whom a pass has to look at. What happens outside the database is told by marks.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from holdfast.loop.container import Container


class Agenda:
    """Models that are to be brought in order; all of them at first.

    Args:
        container: the wiring.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._seq = 0
        self._marks: dict[str, object] = {}
        self._due: set[str] = set()
        self._lock = threading.Lock()

    def due(self, marks: Mapping[str, object]) -> list[str]:
        """What is to be done now, in the order of ``marks``.

        Args:
            marks: by model, whatever differs when something outside the database has changed.
        """
        events = self._container.store.events
        with self._container.store.read() as tx:
            seq, news = events.models_since(tx, self._seq)
        with self._lock:
            self._seq = seq
            self._due |= news
            self._due |= {name for name, mark in marks.items() if self._marks.get(name) != mark}
            self._due &= marks.keys()
            self._marks = dict(marks)
            return [name for name in marks if name in self._due]

    def begun(self, model: str) -> None:
        """Takes a model off; what happens from now on puts it on again."""
        with self._lock:
            self._due.discard(model)

    def again(self, model: str) -> None:
        """Puts a model on, because it could not be brought in order."""
        with self._lock:
            self._due.add(model)
