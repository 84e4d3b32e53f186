"""Waking those who wait: servers for their next route, orders for the servers' confirmation."""

from __future__ import annotations

import asyncio

from holdfast.loop.container import Container
from holdfast.records import Route

# Another control plane, or a command without one, may have changed a route: look now and then.
LOOK_AGAIN_SECONDS = 1.0
CONFIRM_SECONDS = 5.0


class Bus:
    """One bell for everything that changes; whoever hears it looks for himself."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def open(self) -> None:
        """Binds the bell to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def ring(self, _model: str = "") -> None:
        """Wakes everybody who waits, whatever model changed; may be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def close(self) -> None:
        """Sends everybody home: nobody may hold up the end of the process."""
        self.closed = True
        self.ring()

    def _ring(self) -> None:
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def wait(self, seconds: float) -> None:
        """Returns at the next ring, or after some seconds; at once when closed."""
        if self.closed:
            return
        bell = self._bell
        try:
            await asyncio.wait_for(bell.wait(), seconds)
        except TimeoutError:
            return


async def newer_routes(
    container: Container, bus: Bus, since: dict[str, int], seconds: float
) -> list[Route]:
    """Routes beyond the epochs in ``since``; waits up to ``seconds`` for the first."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        bell = bus.wait(LOOK_AGAIN_SECONDS)
        waiting = asyncio.ensure_future(bell)
        await asyncio.sleep(0)  # begin to wait before looking, so that no ring is missed
        routes = await asyncio.to_thread(container.ask, container.store.routes.all_current)
        newer = [route for route in routes if route.epoch > since.get(route.model, 0)]
        if newer or bus.closed or asyncio.get_running_loop().time() >= end:
            waiting.cancel()
            return newer
        await waiting


async def all_confirmed(container: Container, bus: Bus, model: str, epoch: int) -> bool | None:
    """Whether every server that was heard of serves this epoch within five seconds.

    Returns:
        None when no server serves the model.
    """
    end = asyncio.get_running_loop().time() + CONFIRM_SECONDS
    while True:
        waiting = asyncio.ensure_future(bus.wait(LOOK_AGAIN_SECONDS))
        await asyncio.sleep(0)
        reports = await asyncio.to_thread(container.servers)
        serving = [report for report in reports if model in report.epochs]
        if not serving or all(report.epochs[model] >= epoch for report in serving):
            waiting.cancel()
            return True if serving else None
        if bus.closed or asyncio.get_running_loop().time() >= end:
            waiting.cancel()
            return False
        await waiting
