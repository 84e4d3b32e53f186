"""Scoring the same rows with other versions, where no caller can notice.

A thread of its own takes work from a bounded queue. When it is full the work is dropped and
counted; a shadow that fails, or hangs, costs the caller nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from holdfast.records import PredictionBatch
from holdfast.serving.converter import Rows
from holdfast.serving.metrics import Metrics
from holdfast.serving.router import Loaded

_log = logging.getLogger("holdfast.serving")


class Work(NamedTuple):
    """Rows to be scored again by ``loaded``."""

    loaded: Loaded
    rows: Rows
    model: str
    request: str
    epoch: int


class Mirror:
    """The queue and the thread behind it.

    Args:
        score: scores one piece of work; its record is never thrown away, failures included.
        deliver: takes the finished record; called in the mirror's thread.
        requests: most requests that may wait.
        rows: most rows that may wait.
    """

    def __init__(
        self,
        score: Callable[[Work], PredictionBatch],
        deliver: Callable[[PredictionBatch], None],
        metrics: Metrics,
        *,
        requests: int = 1024,
        rows: int = 50_000,
    ) -> None:
        self._score = score
        self._deliver = deliver
        self._metrics = metrics
        self._queue: queue.Queue[Work] = queue.Queue(requests)
        self._rows = rows
        self._waiting = 0
        self._lock = threading.Lock()
        self._started = False
        self.dropped = 0

    def put(self, work: Work) -> bool:
        """Leaves work for later; never waits.

        Returns:
            False when it was dropped, because what waits is already too much.
        """
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="holdfast-mirror", daemon=True).start()
            fits = self._waiting + work.rows.count <= self._rows
            if fits:
                try:
                    self._queue.put_nowait(work)
                    self._waiting += work.rows.count
                except queue.Full:
                    fits = False
        if not fits:
            self.dropped += 1
            self._metrics.shadow_dropped.labels(work.model).inc()
        return fits

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being scored."""
        return self._waiting == 0

    def _run(self) -> None:
        while True:
            self._one(self._queue.get())

    def _one(self, work: Work) -> None:
        try:
            batch = self._score(work)
            if batch.error:
                self._metrics.shadow_failed.labels(work.model, str(batch.version)).inc()
            self._deliver(batch)
        except Exception:  # noqa: BLE001 (the mirror never ends)
            _log.exception("a shadow's answer could not be recorded")
        finally:
            with self._lock:
                self._waiting -= work.rows.count
