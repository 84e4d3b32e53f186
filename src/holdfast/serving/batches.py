"""Requests that arrive while a model is busy are scored together.

For scikit-learn's own ``predict`` a table of 64 rows costs little more than one row. When the model
is idle a request goes at once, so that nobody ever waits for company; while it is busy requests
gather, and go together when it is done. Compiled models gain nothing from this: one row takes
microseconds, less than a change of threads; see :mod:`holdfast.serving.turns` for those.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import accumulate
from math import inf
from typing import Any, NamedTuple

from holdfast.bundle.columns import Columns, concatenate, kind
from holdfast.bundle.predictor import Outputs
from holdfast.errors import HoldfastError

Predict = Callable[[Columns, int], Outputs]


class _Waiting(NamedTuple):
    columns: Columns
    rows: int
    kind: tuple[Any, ...]
    deadline: float
    answer: asyncio.Future[Outputs]


class Batches:
    """The queue before one version. Everything but ``predict`` runs in the event loop's thread.

    Args:
        predict: scores a table; called in a thread of ``pool``, by one request after another.
        pool: with one thread of its own: more are slower, because they fight over the interpreter.
        rows: most rows to be put together; a request that is larger goes alone.
        check: raises when a deadline has passed; asked right before a request is taken.
    """

    def __init__(
        self,
        predict: Predict,
        pool: Executor,
        *,
        rows: int = 256,
        check: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._predict = predict
        self._pool = pool
        self._rows = rows
        self._check = check
        self._queue: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None

    async def predict(self, columns: Columns, rows: int, deadline: float = inf) -> Outputs:
        """Answers for the rows of ``columns``, perhaps together with those of others.

        Args:
            columns: what to score.
            rows: how many rows they are.
            deadline: until when that must have begun, as ``check`` understands it.

        Raises:
            Exception: whatever the model raises on these rows; others' rows do no harm.
        """
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(columns, rows, kind(columns), deadline, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await self._score(batch)
        finally:
            self._running = None

    def _take(self) -> list[_Waiting]:
        """The next requests whose columns fit together, without those that nobody waits for."""
        batch: list[_Waiting] = []
        rows = 0
        while self._queue:
            first = self._queue[0]
            if first.answer.done() or self._is_late(first):
                self._queue.popleft()
                continue
            if batch and (rows + first.rows > self._rows or first.kind != batch[0].kind):
                break
            rows += first.rows
            batch.append(self._queue.popleft())
        return batch

    def _is_late(self, waiting: _Waiting) -> bool:
        try:
            self._check(waiting.deadline)
        except HoldfastError as error:
            waiting.answer.set_exception(error)
            return True
        return False

    async def _score(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        found: list[Outputs | Exception]
        try:
            found = await loop.run_in_executor(self._pool, self._answers, batch)
        except Exception as error:  # noqa: BLE001 (the pool was closed: nobody may wait for ever)
            found = [error] * len(batch)
        for waiting, answer in zip(batch, found, strict=True):
            if waiting.answer.done():
                continue  # the caller is gone
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

    def _answers(self, batch: list[_Waiting]) -> list[Outputs | Exception]:
        return answers(self._predict, [waiting[:2] for waiting in batch])


def answers(predict: Predict, parts: Sequence[tuple[Columns, int]]) -> list[Outputs | Exception]:
    """What a model answers for the rows of several requests, which are of one kind.

    When one of them is to blame for an error, each goes alone, so that the others get their answer.

    Args:
        predict: scores a table.
        parts: columns and number of rows of each request.
    """
    if len(parts) > 1:
        with contextlib.suppress(Exception):
            return _together(predict, parts)
    return [alone(predict, *part) for part in parts]


def _together(predict: Predict, parts: Sequence[tuple[Columns, int]]) -> list[Outputs | Exception]:
    ends = list(accumulate(rows for _, rows in parts))
    outputs = predict(concatenate([columns for columns, _ in parts]), ends[-1])
    cuts = [slice(end - rows, end) for end, (_, rows) in zip(ends, parts, strict=True)]
    values, shares = outputs
    return [Outputs(values[cut], None if shares is None else shares[cut]) for cut in cuts]


def alone(predict: Predict, columns: Columns, rows: int) -> Outputs | Exception:
    """What a model answers, or how it failed."""
    try:
        return predict(columns, rows)
    except Exception as error:  # noqa: BLE001 (models raise what they like)
        return error
