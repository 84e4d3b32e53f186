"""Server-sent events that tell open pages when something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from zlib import crc32

from holdfast.control.waiting import LOOK_AGAIN_SECONDS, Bus
from holdfast.loop.container import Container

STREAM_SECONDS = 25.0
"""A stream ends after this long and the browser comes back, so that none keeps a process alive."""


def change_token(container: Container) -> str:
    """Differs whenever a page would: last event, looks, evidence of releases, jobs, servers."""
    store = container.store
    with store.read() as tx:
        last = store.events.list(tx, limit=1)
        looked = store.looks.times(tx)
        moving = [release.to_json() for release in store.releases.active(tx)]
        jobs = [(job.id, job.state, job.step) for job in store.jobs.active(tx)]
    servers = [(one.server, one.epochs, one.problems) for one in container.servers()]
    seq = last[0].seq if last else 0
    return f"{seq}-{crc32(repr((looked, moving, jobs, servers)).encode()):08x}"


async def changes(container: Container, bus: Bus, known: str) -> AsyncIterator[str]:
    """Text of an event stream: one event a change, its id being the token of what was seen.

    Args:
        container: the wiring.
        bus: its bell ends a wait early.
        known: token that the browser saw last; empty for none.
    """
    end = asyncio.get_running_loop().time() + STREAM_SECONDS
    yield "retry: 500\n\n"
    while not bus.closed and asyncio.get_running_loop().time() < end:
        waiting = asyncio.ensure_future(bus.wait(LOOK_AGAIN_SECONDS))
        try:
            await asyncio.sleep(0)  # begin to wait before looking, so that no ring is missed
            token = await asyncio.to_thread(change_token, container)
            if token != known:
                name = "changed" if known else "seen"
                known = token
                yield f"event: {name}\nid: {token}\ndata: {token}\n\n"
            await waiting
        finally:
            waiting.cancel()
