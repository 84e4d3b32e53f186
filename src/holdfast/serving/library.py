"""The versions in memory: opened once, shared by all who need them, freed by reference count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from holdfast.errors import BundleError, HoldfastError
from holdfast.records import Arm
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Load
from holdfast.serving.metrics import Metrics
from holdfast.serving.router import Key, Loaded, arm_key

_log = logging.getLogger("holdfast.serving")
_THREADS = 4
_REMEMBERED = 10_000


class Library:
    """Opens versions in threads of its own, so that no request waits for another model's load.

    Args:
        load: opens, verifies and warms a bundle.
        limits: bounds of requests, compiled into each version's converter.
        metrics: where loads and their failures are counted.
    """

    def __init__(self, load: Load, limits: Limits, metrics: Metrics) -> None:
        self._load = load
        self._limits = limits
        self._metrics = metrics
        self._loaded: WeakValueDictionary[tuple[str, Key], Loaded] = WeakValueDictionary()
        self._loading: dict[tuple[str, Key], asyncio.Task[Loaded]] = {}
        self.any_name = False
        self._costs: dict[tuple[str, Key], int] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="holdfast-load")

    @property
    def used(self) -> int:
        """Bytes that the versions in memory take, those only a request still holds included."""
        return sum(loaded.memory for loaded in list(self._loaded.values()))

    def get(self, model: str, arm: Arm) -> Loaded | None:
        """A version, if it is in memory."""
        return self._loaded.get((model, arm_key(arm)))

    def proven(self, model: str, arms: Iterable[Arm]) -> bool:
        """Whether this process opened all of these before, and they passed."""
        return all((model, arm_key(arm)) in self._costs for arm in arms)

    def missing(self, model: str, arms: Iterable[Arm]) -> int:
        """Bytes that those of the versions will take that are not in memory; 0 for what was never
        opened here.
        """
        keys = {(model, arm_key(arm)) for arm in arms}
        return sum(self._costs.get(key, 0) for key in keys if key not in self._loaded)

    def forget(self, model: str) -> None:
        """Frees what is remembered of a model that is gone."""
        for key in [key for key in self._costs if key[0] == model]:
            del self._costs[key]

    async def ready(self, model: str, arms: Iterable[Arm]) -> tuple[dict[Key, Loaded], list[str]]:
        """The versions in memory, loaded if need be, and why some are not."""
        ready: dict[Key, Loaded] = {}
        problems = []
        for arm in arms:
            try:
                ready[arm_key(arm)] = self.get(model, arm) or await self._open(model, arm)
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
            loaded = await self._checked(model, arm)
        except HoldfastError as error:
            self._metrics.load_failed.labels(model, error.code).inc()
            raise
        key = (model, arm_key(arm))
        self._loaded[key] = loaded
        # A bundle that finds room among freed memory seems to need less than it did at first.
        self._costs[key] = loaded.memory = max(loaded.memory, self._costs.get(key, 0))
        if len(self._costs) > _REMEMBERED:
            del self._costs[next(iter(self._costs))]
        self._metrics.loads.labels(model).inc()
        return loaded

    async def _checked(self, model: str, arm: Arm) -> Loaded:
        loop = asyncio.get_running_loop()
        try:
            opened = await loop.run_in_executor(self._pool, self._load, arm)
        except HoldfastError:
            raise
        except Exception as error:
            _log.exception("version %s of %s cannot be loaded", arm.version, model)
            raise BundleError(
                "bundle.unloadable",
                f"the model cannot be loaded: {type(error).__name__}",
                "See the log of the server.",
            ) from error
        if opened.predictor.manifest.model != model and not self.any_name:
            raise BundleError(
                "bundle.wrong_model",
                f"the bundle is one of '{opened.predictor.manifest.model}', not of '{model}'",
                "Name the bundle that was registered for this model.",
            )
        return Loaded(arm, opened, self._limits)

    def close(self) -> None:
        """Opens nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
