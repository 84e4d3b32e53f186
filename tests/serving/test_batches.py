from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from holdfast.bundle.columns import Columns
from holdfast.bundle.predictor import Outputs
from holdfast.serving.batches import Batches


class Model:
    """Doubles; fails on negative numbers; waits while its gate is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.sizes: list[int] = []

    def predict(self, columns: Columns, rows: int) -> Outputs:
        self.began.set()
        assert self.gate.wait(30)
        self.sizes.append(rows)
        if (columns["a"] < 0).any():
            raise ValueError("negative")
        return Outputs(columns["a"] * 2, columns["a"] / 100)


def table(*values: float, dtype: Any = np.float64) -> Columns:
    return {"a": np.array(values, dtype=dtype)}


async def while_busy(model: Model, batches: Batches, tables: list[Columns]) -> list[Any]:
    """What is answered to tables that arrive while the model is at another one."""
    model.gate.clear()
    model.began.clear()
    first = asyncio.create_task(batches.predict(table(1), 1))
    await asyncio.to_thread(model.began.wait, 30)
    waiting = [asyncio.create_task(batches.predict(one, len(one["a"]))) for one in tables]
    await asyncio.sleep(0)
    model.gate.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def run(model: Model, tables: list[Columns], rows: int = 256) -> list[Any]:
    async def go() -> list[Any]:
        with ThreadPoolExecutor(1) as pool:
            return await while_busy(model, Batches(model.predict, pool, rows=rows), tables)

    return asyncio.run(go())


def test_an_idle_model_is_asked_at_once() -> None:
    model = Model()

    async def go() -> None:
        with ThreadPoolExecutor(1) as pool:
            batches = Batches(model.predict, pool)
            for value in range(3):
                outputs = await batches.predict(table(value), 1)
                assert outputs.prediction.tolist() == [2 * value]

    asyncio.run(go())
    assert model.sizes == [1, 1, 1]


def test_what_gathers_goes_together_and_each_gets_its_own() -> None:
    model = Model()
    found = run(model, [table(1), table(2, 3), table(4)])
    assert [one.prediction.tolist() for one in found] == [[2], [4, 6], [8]]
    assert [one.probability.tolist() for one in found] == [[0.01], [0.02, 0.03], [0.04]]
    assert model.sizes == [1, 4]


def test_rows_are_capped_and_kinds_are_kept_apart() -> None:
    model = Model()
    whole = table(5, dtype=np.int64)
    found = run(model, [table(1), table(2), table(3), whole], rows=2)
    assert model.sizes == [1, 2, 1, 1]
    assert found[3].prediction.dtype == np.int64
    assert [one.prediction.tolist() for one in found] == [[2], [4], [6], [10]]


def test_one_that_fails_fails_alone() -> None:
    found = run(Model(), [table(1), table(-1), table(2)])
    assert isinstance(found[1], ValueError)
    assert [one.prediction.tolist() for one in (found[0], found[2])] == [[2], [4]]


def test_whoever_gave_up_is_left_out() -> None:
    model = Model()

    async def go() -> None:
        with ThreadPoolExecutor(1) as pool:
            batches = Batches(model.predict, pool)
            model.gate.clear()
            first = asyncio.create_task(batches.predict(table(1), 1))
            await asyncio.to_thread(model.began.wait, 30)
            gone = asyncio.create_task(batches.predict(table(2), 1))
            kept = asyncio.create_task(batches.predict(table(3), 1))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            model.gate.set()
            await first
            assert (await kept).prediction.tolist() == [6]
            with pytest.raises(asyncio.CancelledError):
                await gone

    asyncio.run(go())
    assert model.sizes == [1, 1]


def test_nobody_waits_for_a_pool_that_was_closed() -> None:
    async def go() -> None:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        with pytest.raises(RuntimeError):
            await Batches(Model().predict, pool).predict(table(1), 1)

    asyncio.run(go())
