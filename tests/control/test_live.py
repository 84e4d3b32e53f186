"""The token that says whether a page would differ, and the stream that carries it."""

import asyncio
from datetime import timedelta
from typing import Any

from holdfast.control.live import change_token, changes
from holdfast.control.waiting import Bus


def test_token_follows_what_pages_show(busy: Any) -> None:
    container, store = busy.container, busy.container.store
    seen = [change_token(container)]
    assert change_token(container) == seen[0]

    def differs() -> None:
        seen.append(change_token(container))
        assert len(set(seen)) == len(seen)

    busy.tell("x", "an event")
    differs()
    with store.begin() as tx:
        one = next(time for time in store.looks.times(tx) if time.model == "fares")
        store.looks.save(tx, "fares", 1, one.since, one.at + timedelta(1), b"{}")
    differs()
    busy.serve("flight-delay", "edge-1", epoch=3)
    differs()
    with store.begin() as tx:
        job = store.jobs.active(tx)[0]
        store.jobs.claim(tx, kinds=[job.kind])
    differs()
    busy.serve("flight-delay", "edge-1", epoch=3)  # a heartbeat changes nothing that is shown
    assert change_token(container) == seen[-1]


def test_stream_tells_of_a_change_as_soon_as_the_bell_rings(busy: Any) -> None:
    async def listen() -> list[str]:
        bus = Bus()
        bus.open()
        stream = changes(busy.container, bus, change_token(busy.container))
        got = [await anext(stream)]
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await asyncio.to_thread(busy.tell, "x", "an event")
        bus.ring()
        got.append(await asyncio.wait_for(waiting, 5))
        await stream.aclose()
        return got

    first, second = asyncio.run(listen())
    assert first.startswith("retry:")
    assert second.startswith("event: changed\nid: ")
    assert change_token(busy.container) in second


def test_a_page_that_saw_nothing_yet_is_told_where_it_is(busy: Any) -> None:
    async def listen() -> str:
        bus = Bus()
        bus.open()
        stream = changes(busy.container, bus, "")
        await anext(stream)
        told = await anext(stream)
        await stream.aclose()
        return told

    assert asyncio.run(listen()).startswith("event: seen\n")
