"""Orders: act, then wait until every server has confirmed; shared by API and pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from holdfast.control.waiting import Bus, all_confirmed
from holdfast.errors import UnavailableError
from holdfast.loop.container import Container
from holdfast.loop.releasing import Releasing
from holdfast.records import Release


async def confirmed(
    container: Container, releasing: Releasing, bus: Bus, model: str, act: Callable[[], Release]
) -> Release:
    """Acts, waits until every server does what the new route says, and notes how long it took.

    Raises:
        UnavailableError: when a server has not confirmed in time; the order stands.
    """
    began = time.monotonic()
    release = await asyncio.to_thread(act)
    route = await asyncio.to_thread(container.ask, container.store.routes.current, model)
    if route is None:
        return release
    done = await all_confirmed(container, bus, model, route.epoch)
    if done is False:
        raise UnavailableError(
            "release.unconfirmed",
            f"the order was written (epoch {route.epoch}) but not every server has confirmed it",
            "See 'holdfast status'; servers follow as soon as they reach the control plane.",
        )
    if done is None:
        return release
    seconds = time.monotonic() - began
    return await asyncio.to_thread(releasing.confirmed, release, seconds)
