"""The routes being served: new orders are made ready first, then one pointer moves.

Everything here runs in the event loop's thread; only opening a bundle happens in another one.
Versions are freed by Python's own reference count: a request holds the route it began with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from weakref import WeakValueDictionary

from holdfast.errors import BundleError, HoldfastError
from holdfast.records import Arm, Route
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Load
from holdfast.serving.metrics import Metrics
from holdfast.serving.router import Key, LiveRoute, Loaded, arm_key, check_compatible

_log = logging.getLogger("holdfast.serving")


class Routes:
    """What is live, by model.

    Args:
        load: opens, verifies and warms a bundle; called in a thread.
        limits: bounds of requests, compiled into each route.
        metrics: where the epoch is shown.
    """

    def __init__(self, load: Load, limits: Limits, metrics: Metrics) -> None:
        self.live: dict[str, LiveRoute] = {}
        self.epochs: dict[str, int] = {}
        self.problems: dict[str, str] = {}
        self._load = load
        self._limits = limits
        self._metrics = metrics
        self._loaded: WeakValueDictionary[tuple[str, Key], Loaded] = WeakValueDictionary()
        self._loading: dict[tuple[str, Key], asyncio.Task[Loaded]] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def apply(self, route: Route) -> bool:
        """Makes the orders true; a route whose versions are all in memory is live at once.

        The old route stays until every version that answers is ready. A shadow or resident version
        that cannot be loaded is a problem to report, not a reason to keep the old route: the order
        may well be a rollback.

        Returns:
            False when the orders are not newer than what is served.

        Raises:
            BundleError: when a version that must answer cannot be loaded; the old route stays.
        """
        if not self._newer(route):
            return False
        ready, problems = await self._ready(route.model, (*route.arms, *route.shadow))
        if not self._newer(route):
            return False  # newer orders came while this was loading
        missing = [arm for arm in route.arms if arm_key(arm) not in ready]
        try:
            if not missing:
                problems += self._swap(route, ready)
                self.epochs[route.model] = route.epoch
                self._metrics.route_epoch.labels(route.model).set(route.epoch)
            elif route.model not in self.live and arm_key(route.champion) in ready:
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
        self._attach_residents(route)
        return True

    async def settled(self) -> None:
        """Waits until the resident versions of the latest routes are loaded, or failed to."""
        while self._background:
            await asyncio.gather(*self._background)

    def _newer(self, route: Route) -> bool:
        live = self.live.get(route.model)
        if live is not None and route.epoch < live.route.epoch:
            return False
        return route.epoch > self.epochs.get(route.model, -1)

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
        kept = [self._loaded.get((route.model, arm_key(arm))) for arm in route.resident]
        resident = [loaded for loaded in kept if loaded is not None]
        self.live[route.model] = LiveRoute(route, arms, shadow, resident, self._limits)
        return problems

    def _attach_residents(self, route: Route) -> None:
        """Loads resident versions that are not in memory, after the switch, which must not wait."""
        if all((route.model, arm_key(arm)) in self._loaded for arm in route.resident):
            return
        task = asyncio.create_task(self._residents(route))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _residents(self, route: Route) -> None:
        ready, problems = await self._ready(
            route.model, (*route.arms, *route.shadow, *route.resident)
        )
        if self.live[route.model].route is route:
            problems += self._swap(route, ready)
            self._report(route.model, problems)

    def _report(self, model: str, problems: list[str]) -> None:
        if problems:
            self.problems[model] = "; ".join(problems)
            _log.error("route of %s: %s", model, self.problems[model])
        else:
            self.problems.pop(model, None)

    async def _ready(self, model: str, arms: Iterable[Arm]) -> tuple[dict[Key, Loaded], list[str]]:
        """The versions in memory, loaded if need be, and why some are not."""
        ready: dict[Key, Loaded] = {}
        problems = []
        for arm in arms:
            key = arm_key(arm)
            try:
                found = self._loaded.get((model, key))
                ready[key] = await self._open(model, arm) if found is None else found
            except HoldfastError as error:
                problems.append(f"version {arm.version}: {error}")
        return ready, problems

    async def _open(self, model: str, arm: Arm) -> Loaded:
        key = (model, arm_key(arm))
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._open_new(model, arm))
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(task)

    async def _open_new(self, model: str, arm: Arm) -> Loaded:
        try:
            opened = await asyncio.to_thread(self._load, arm)
        except HoldfastError:
            raise
        except Exception as error:
            _log.exception("version %s of %s cannot be loaded", arm.version, model)
            raise BundleError(
                "bundle.unloadable",
                f"the model cannot be loaded: {type(error).__name__}",
                "See the log of the server.",
            ) from error
        if opened.predictor.manifest.model != model:
            raise BundleError(
                "bundle.wrong_model",
                f"the bundle is one of '{opened.predictor.manifest.model}', not of '{model}'",
                "Name the bundle that was registered for this model.",
            )
        loaded = Loaded(arm, opened, self._limits)
        self._loaded[model, arm_key(arm)] = loaded
        return loaded
