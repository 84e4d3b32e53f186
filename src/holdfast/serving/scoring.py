"""Scoring and recording: no answer is known before its record is in the spool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from holdfast.bundle.columns import kind
from holdfast.bundle.predictor import Outputs
from holdfast.errors import BundleError, HoldfastError, UnavailableError
from holdfast.ports.clock import Clock
from holdfast.ports.spool import Spool
from holdfast.records import PredictionBatch, Role
from holdfast.serving.admission import Admission
from holdfast.serving.batches import Batches, alone, answers
from holdfast.serving.limits import Limits
from holdfast.serving.metrics import Metrics
from holdfast.serving.mirror import Mirror, Work
from holdfast.serving.router import Loaded
from holdfast.serving.turns import Turn

_TOGETHER = 32  # requests; more gain nothing, and the first would wait longer


class Scored(NamedTuple):
    """What a version answered, and whether that is in the spool."""

    found: Outputs | Exception
    kept: bool


class Scorer:
    """Every model call of one process.

    Args:
        clock: for the time of a prediction.
        spool: where predictions go before they are answered.
        refuse: answers nothing that cannot be recorded.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        spool: Spool,
        refuse: bool,
        limits: Limits,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._clock = clock
        self._spool = spool
        self._refuse = refuse
        self._limits = limits
        self._admission = admission
        self._metrics = metrics
        self.pool = ThreadPoolExecutor(2, thread_name_prefix="holdfast-score")
        self._native = ThreadPoolExecutor(1, thread_name_prefix="holdfast-native")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: Turn[Work, Scored] | None = None
        self.mirror = Mirror(self._score_again, self._deliver, metrics)
        spool.watch(metrics.spool)

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop whose thread writes to the spool."""
        if loop is not self._loop:
            limits, self._loop = self._limits, loop
            most = min(_TOGETHER, limits.in_flight)
            self._turn = Turn(loop, self._score_all, most=most, size=limits.batch_rows)

    async def score(self, work: Work, deadline: float) -> Outputs:
        """What a version answers; it is recorded.

        Args:
            work: what to score.
            deadline: until when that must have begun.

        Raises:
            BundleError: when the model failed.
            UnavailableError: when it waited too long, or cannot be recorded and must be.
        """
        loaded, rows = work.loaded, work.rows
        if loaded.kind == "native" or rows.count > self._limits.inline_rows:
            found, kept = await self._apart(work, deadline)
        elif self._gathers():
            assert self._turn is not None
            found, kept = await self._turn.put(work, rows.count)
        else:
            found, kept = self._score_one(work)
        synced = self._spool.synced() if kept else None
        if synced is not None and not await synced:
            self._metrics.spool_lost.inc()
            kept = False
        if isinstance(found, Exception):
            raise BundleError(_code(found), "the model could not answer these rows") from found
        if not kept and self._refuse:
            raise UnavailableError(
                "spool.full", "the prediction could not be recorded", "Try again later"
            )
        self._metrics.rows(work.model, loaded.version, rows.count)
        return found

    def _gathers(self) -> bool:
        """A task cannot wait for the end of a turn, and need not."""
        turn = self._turn
        return turn is not None and asyncio.current_task(self._loop) is None and turn.gathers()

    async def _apart(self, work: Work, deadline: float) -> Scored:
        """In a thread, so that nobody else waits for it."""
        started = time.perf_counter()
        try:
            found: Outputs | Exception = await self._in_thread(work, deadline)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 (models raise what they like)
            found = error
        return self._keep([work], [(found, time.perf_counter() - started)])[0]

    async def _in_thread(self, work: Work, deadline: float) -> Outputs:
        loaded, rows = work.loaded, work.rows
        if loaded.kind == "native":
            return await self._batches_of(loaded).predict(rows.columns, rows.count, deadline)
        return await asyncio.get_running_loop().run_in_executor(
            self.pool, self._in_time, work, deadline
        )

    def _in_time(self, work: Work, deadline: float) -> Outputs:
        self._admission.check(deadline)
        return work.loaded.predict(work.rows.columns, work.rows.count)

    def _batches_of(self, loaded: Loaded) -> Batches:
        if loaded.batches is None:
            loaded.batches = Batches(
                loaded.predict,
                self._native,
                rows=self._limits.batch_rows,
                check=self._admission.check,
            )
        return loaded.batches

    def _score_one(self, work: Work) -> Scored:
        """As :meth:`_score_all`, for what comes alone."""
        rows, started = work.rows, time.perf_counter()
        found = alone(work.loaded.predict, rows.columns, rows.count)
        seconds = time.perf_counter() - started
        batch = record(work, "live", self._clock.timestamp(), found, seconds)
        return Scored(found, self._append([batch]))

    def _score_all(self, works: Sequence[Work]) -> list[Scored]:
        """Scores and records at once; requests for one version go together."""
        found: list[Any] = [None] * len(works)
        for places in _groups(works):
            started = time.perf_counter()
            parts = [(works[place].rows.columns, works[place].rows.count) for place in places]
            several = answers(works[places[0]].loaded.predict, parts)
            seconds = time.perf_counter() - started
            for place, one in zip(places, several, strict=True):
                found[place] = one, seconds
        return self._keep(works, found)

    def _keep(
        self, works: Sequence[Work], found: Sequence[tuple[Outputs | Exception, float]]
    ) -> list[Scored]:
        """Records what was found and the seconds it took, in one piece."""
        at = self._clock.timestamp()
        kept = self._append(
            [record(work, "live", at, *one) for work, one in zip(works, found, strict=True)]
        )
        return [Scored(one, kept) for one, _ in found]

    def _append(self, batches: Sequence[PredictionBatch]) -> bool:
        kept = self._spool.extend(batches)
        if not kept:
            self._metrics.spool_lost.inc(len(batches))
        return kept

    def _score_again(self, work: Work) -> PredictionBatch:
        """A shadow, in the mirror's thread."""
        started = time.perf_counter()
        found = alone(work.loaded.predict, work.rows.columns, work.rows.count)
        seconds = time.perf_counter() - started
        return record(work, "shadow", self._clock.timestamp(), found, seconds)

    def _deliver(self, batch: PredictionBatch) -> None:
        """The spool is written by one thread only."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._append, [batch])

    async def close(self, seconds: float) -> None:
        """Lets the shadows finish what waits, for a while."""
        try:
            async with asyncio.timeout(seconds):
                while not self.mirror.idle:  # noqa: ASYNC110 (another thread empties it)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        await asyncio.sleep(0)  # the last records are delivered by the loop
        self._native.shutdown(wait=False, cancel_futures=True)
        self.pool.shutdown(wait=False, cancel_futures=True)


def _groups(works: Sequence[Work]) -> list[list[int]]:
    """Places of what can be scored in one call."""
    if len(works) == 1:
        return [[0]]
    groups: dict[Any, list[int]] = {}
    for place, work in enumerate(works):
        groups.setdefault((work.loaded, kind(work.rows.columns)), []).append(place)
    return list(groups.values())


def record(
    work: Work, role: Role, at: float, found: Outputs | Exception, seconds: float
) -> PredictionBatch:
    """What is written down of one request, redacted.

    Args:
        work: what was scored.
        role: ``live`` or ``shadow``.
        at: when, seconds since 1970 UTC.
        found: what the version answered, or how it failed.
        seconds: that it took.
    """
    loaded, rows = work.loaded, work.rows
    recorded = loaded.redaction.keep(
        work.request, loaded.converter.recorded, rows.columns, rows.values, rows.ids
    )
    predictions, scores, error = [], None, ""
    if isinstance(found, Exception):
        error = _code(found)
    else:
        predictions = found.prediction.tolist()
        scores = None if found.probability is None else found.probability.tolist()
    return PredictionBatch(
        request=work.request,
        model=work.model,
        version=loaded.version,
        epoch=work.epoch,
        at=at,
        role=role,
        names=recorded.names,
        columns=recorded.columns,
        ids=recorded.ids,
        predictions=predictions,
        scores=scores or [],
        seconds=seconds,
        error=error,
        count=rows.count,
        inputs=recorded.inputs,
        block=recorded.block,
    )


def _code(failure: Exception) -> str:
    return failure.code if isinstance(failure, HoldfastError) else "model.failed"
