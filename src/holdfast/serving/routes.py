"""The routes being served: new orders are made ready first, then one pointer moves.

Everything here runs in the event loop's thread; only opening a bundle happens in another one.
Versions are freed by Python's own reference count: a request holds the route it began with. A model
that nobody asks for may sleep: its orders are known, its versions are not in memory.
"""

from __future__ import annotations

import asyncio
import logging
import time

from holdfast.errors import BundleError, UnavailableError
from holdfast.records import Route
from holdfast.serving.library import Library
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Load
from holdfast.serving.metrics import Metrics
from holdfast.serving.router import Key, LiveRoute, Loaded, arm_key, check_compatible

_log = logging.getLogger("holdfast.serving")
_PAUSE_AFTER_FAILURE = 5.0
_LONGEST_WAKE = 60.0


class Use:
    """How a model is used: requests being answered, and when the last one began."""

    __slots__ = ("last", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.last = 0.0


class Routes:
    """What is live, and what sleeps, by model.

    Args:
        load: opens, verifies and warms a bundle; called in a thread.
        limits: bounds of requests, compiled into each route.
        metrics: where the epoch is shown.
        memory: most bytes that models may take; ``None``: all stay loaded.
    """

    def __init__(
        self, load: Load, limits: Limits, metrics: Metrics, *, memory: int | None = None
    ) -> None:
        self.live: dict[str, LiveRoute] = {}
        self.asleep: dict[str, Route] = {}
        self.uses: dict[str, Use] = {}
        self.epochs: dict[str, int] = {}
        self.problems: dict[str, str] = {}
        self.withdrawn: dict[str, Route] = {}
        self.library = Library(load, limits, metrics)
        self._limits = limits
        self._metrics = metrics
        self._memory = memory
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, float] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def models(self) -> list[str]:
        """Every model that can be asked for, sorted."""
        return sorted(self.uses)

    @property
    def known(self) -> set[str]:
        """Every model that this server was given, those that an operator withdrew included."""
        return self.uses.keys() | self.withdrawn.keys()

    def orders(self, model: str) -> Route:
        """What is ordered of a model, whether it is in memory or sleeps."""
        live = self.live.get(model)
        return self.asleep[model] if live is None else live.route

    def find(self, model: str) -> Route | None:
        """As :meth:`orders`; ``None`` when there is no such model."""
        return self.orders(model) if model in self.uses else None

    def withdraw(self, model: str) -> None:
        """Stops serving a model until it is offered again; new orders for it are only noted."""
        if (route := self.find(model)) is not None:
            epoch = self.epochs.get(model)
            self.remove(model)
            self.withdrawn[model] = route
            if epoch is not None:
                self.epochs[model] = epoch

    def offer(self, model: str) -> None:
        """Serves a model again that was withdrawn; its first request loads it."""
        if (route := self.withdrawn.pop(model, None)) is not None:
            self.asleep[model] = route
            self.uses[model] = Use()

    def rest(self, route: Route) -> None:
        """Takes orders on without loading anything: the first request will."""
        if route.model not in self.live and self._newer(route):
            self.asleep[route.model] = route
            self._confirm(route)

    async def apply(self, route: Route) -> bool:
        """Makes the orders true; a route whose versions are all in memory is live at once.

        The old route stays until every version that answers is ready. A shadow or resident version
        that cannot be loaded is a problem to report, not a reason to keep the old route: the order
        may well be a rollback. A model that sleeps goes on sleeping when all versions of its new
        orders were proven here before.

        Returns:
            False when the orders are not newer than what is served.

        Raises:
            BundleError: when a version that must answer cannot be loaded; the old route stays.
        """
        if not self._newer(route):
            return False
        needed = (*route.arms, *route.shadow)
        if route.model in self.withdrawn:
            self.withdrawn[route.model] = route
            self.epochs[route.model] = route.epoch
            return True
        if route.model in self.asleep and self.library.proven(route.model, needed):
            self.rest(route)
            return True
        ready, problems = await self.library.ready(route.model, needed)
        if not self._newer(route):
            return False  # newer orders came while this was loading
        missing = [arm for arm in route.arms if arm_key(arm) not in ready]
        try:
            if not missing:
                problems += self._swap(route, ready)
                self._confirm(route)
            elif route.model not in self.uses and arm_key(route.champion) in ready:
                # after a restart: better the champion alone than nothing
                problems += self._swap(route, ready)
        except BundleError as error:
            problems.append(str(error))
            missing = [route.champion]
        self._report(route.model, problems)
        if missing:
            raise BundleError(
                "bundle.not_live",
                f"epoch {route.epoch} of {route.model} is not served: {'; '.join(problems)}",
                "Roll back, or release another version.",
            )
        del ready
        if self._make_room(0, route.model) or self.uses[route.model].requests:
            self._attach_residents(route)
        else:
            self.sleep(route.model)
        return True

    async def wake(self, model: str, *, evict: bool = True) -> None:
        """Brings a sleeping model to memory; all who wait for it wait for the same load.

        Args:
            model: its name.
            evict: others may be put to sleep for it.

        Raises:
            UnavailableError: when that fails, takes too long, or there is no room.
        """
        task = self._waking.get(model)
        if task is None:
            task = self._waking[model] = asyncio.create_task(self._wake(model, evict=evict))
            task.add_done_callback(lambda _: self._waking.pop(model, None))
        try:
            async with asyncio.timeout(_LONGEST_WAKE):
                await asyncio.shield(task)
        except TimeoutError:
            raise _not_loaded("the model is still being loaded") from None

    def sleep(self, model: str) -> None:
        """Frees the memory of a model; what is being answered ends as it began."""
        self.asleep[model] = self.live.pop(model).route
        self._metrics.evictions.labels(model).inc()
        self._show()

    def remove(self, model: str) -> None:
        """Serves a model no longer; what is being answered ends as it began."""
        self.live.pop(model, None)
        self.asleep.pop(model, None)
        for known in (self.uses, self.epochs, self.problems, self._failed, self.withdrawn):
            known.pop(model, None)
        self.library.forget(model)
        self._show()

    async def settled(self) -> None:
        """Waits until the resident versions of the latest routes are loaded, or failed to."""
        while self._background:
            await asyncio.gather(*self._background)

    async def _wake(self, model: str, *, evict: bool) -> None:
        while (route := self.asleep.get(model)) is not None:
            if time.monotonic() < self._failed.get(model, 0.0):
                raise _not_loaded("the model could not be loaded a moment ago")
            needed = (*route.arms, *route.shadow)
            expected = self.library.missing(model, needed)
            if not self._make_room(expected, model, evict=evict):
                raise _no_memory()
            ready, problems = await self.library.ready(model, needed)
            if self.asleep.get(model) is not route:
                continue  # other orders came while this was loading
            if arm_key(route.champion) not in ready:
                self._failed[model] = time.monotonic() + _PAUSE_AFTER_FAILURE
                self._report(model, problems)
                raise _not_loaded("the model cannot be loaded; the error was logged")
            self._failed.pop(model, None)
            self._report(model, problems + self._swap(route, ready))
            del ready
            if not self._make_room(0, model, evict=evict):
                self.sleep(model)
                raise _no_memory()
            self._attach_residents(route)

    def _make_room(self, needed: int, model: str, *, evict: bool = True) -> bool:
        """Lets the least recently used models sleep until ``needed`` more bytes fit."""
        if self._memory is None:
            return True
        while evict and self.library.used + needed > self._memory:
            idle = [name for name in self.live if name != model and not self.uses[name].requests]
            if not idle:
                break
            self.sleep(min(idle, key=lambda name: self.uses[name].last))
        return self.library.used + needed <= self._memory

    def _newer(self, route: Route) -> bool:
        live = self.live.get(route.model)
        if live is not None and route.epoch < live.route.epoch:
            return False
        return route.epoch > self.epochs.get(route.model, -1)

    def _confirm(self, route: Route) -> None:
        self.uses.setdefault(route.model, Use())
        self.epochs[route.model] = route.epoch
        self._metrics.route_epoch.labels(route.model).set(route.epoch)

    def _swap(self, route: Route, ready: dict[Key, Loaded]) -> list[str]:
        """Moves the pointer; returns why some shadow cannot be used."""
        arms = [(arm, ready[arm_key(arm)]) for arm in route.arms if arm_key(arm) in ready]
        champion = ready[arm_key(route.champion)]
        shadow, problems = [], []
        for arm in route.shadow:
            loaded = ready.get(arm_key(arm))
            if loaded is None:
                continue
            try:
                check_compatible(loaded, champion)
                shadow.append(loaded)
            except BundleError as error:
                problems.append(str(error))
        kept = [self.library.get(route.model, arm) for arm in route.resident]
        resident = [loaded for loaded in kept if loaded is not None]
        self.live[route.model] = LiveRoute(route, arms, shadow, resident, self._limits)
        self.asleep.pop(route.model, None)
        self.uses.setdefault(route.model, Use()).last = time.perf_counter()
        self._show()
        return problems

    def _attach_residents(self, route: Route) -> None:
        """Loads resident versions that are not in memory, after the switch, which must not wait."""
        if all(self.library.get(route.model, arm) for arm in route.resident):
            return
        task = asyncio.create_task(self._residents(route))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _residents(self, route: Route) -> None:
        if not self._make_room(self.library.missing(route.model, route.resident), route.model):
            return  # a rollback will have to load it
        ready, problems = await self.library.ready(
            route.model, (*route.arms, *route.shadow, *route.resident)
        )
        live = self.live.get(route.model)
        if live is not None and live.route is route:
            problems += self._swap(route, ready)
            self._report(route.model, problems)
        del ready, live
        self._make_room(0, route.model)

    def _report(self, model: str, problems: list[str]) -> None:
        if problems:
            self.problems[model] = "; ".join(problems)
            _log.error("route of %s: %s", model, self.problems[model])
        else:
            self.problems.pop(model, None)

    def _show(self) -> None:
        self._metrics.models_loaded.set(len(self.live))
        self._metrics.models_bytes.set(self.library.used)


def _not_loaded(message: str) -> UnavailableError:
    return UnavailableError("model.not_loaded", message, "Try again soon")


def _no_memory() -> UnavailableError:
    return UnavailableError(
        "model.no_memory", "there is no memory for this model now", "Try again later"
    )
