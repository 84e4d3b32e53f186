from __future__ import annotations

import asyncio

import pytest

from holdfast.serving.begun import Begun, begin


async def _at_once() -> int:
    return 3


def test_what_waits_for_nothing_needs_no_task() -> None:
    assert begin(_at_once()) == 3


def test_the_rest_goes_on_in_a_task() -> None:
    async def run() -> int:
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()

        async def work() -> int:
            return int(await first) + int(await second)

        async def go_on(rest: Begun[int]) -> int:
            return await rest

        begun = begin(work())
        assert isinstance(begun, Begun)
        task = asyncio.create_task(go_on(begun))
        await asyncio.sleep(0)
        first.set_result(1)
        await asyncio.sleep(0)
        second.set_result(2)
        return await task

    assert asyncio.run(run()) == 3


def test_an_error_reaches_the_coroutine() -> None:
    async def run() -> str:
        waiting = asyncio.get_running_loop().create_future()

        async def work() -> str:
            try:
                await waiting
            except ValueError:
                await asyncio.sleep(0)
                return "seen"
            return ""

        async def go_on(rest: Begun[str]) -> str:
            return await rest

        begun = begin(work())
        assert isinstance(begun, Begun)
        waiting.set_exception(ValueError())
        return await asyncio.create_task(go_on(begun))

    assert asyncio.run(run()) == "seen"


def test_the_end_of_the_task_is_the_end_of_the_coroutine() -> None:
    async def run() -> bool:
        ended = False

        async def work() -> None:
            nonlocal ended
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended = True

        async def go_on(rest: Begun[None]) -> None:
            await rest

        begun = begin(work())
        assert isinstance(begun, Begun)
        task = asyncio.create_task(go_on(begun))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended

    assert asyncio.run(run())
