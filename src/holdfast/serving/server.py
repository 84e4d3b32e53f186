"""The server behind every contract: picks a version, scores, records, answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, TypeVar

from holdfast.bundle.predictor import Outputs
from holdfast.errors import BundleError, NotFoundError, RequestError, UnavailableError
from holdfast.ports.clock import Clock
from holdfast.ports.ids import new_ids
from holdfast.ports.spool import Spool
from holdfast.records import Route
from holdfast.serving.admission import Admission
from holdfast.serving.converter import Rows
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Load
from holdfast.serving.metrics import Metrics
from holdfast.serving.mirror import Work
from holdfast.serving.parquet import ParquetReader
from holdfast.serving.requests import Caller
from holdfast.serving.router import LiveRoute, Loaded
from holdfast.serving.routes import Routes, Use
from holdfast.serving.scoring import Scorer

T = TypeVar("T")


class Answer(NamedTuple):
    """What one version answered; ``prediction_id`` names the request, for labels."""

    loaded: Loaded
    model: str
    outputs: Outputs
    rows: Rows
    prediction_id: str


class ModelServer:
    """All models of one process.

    Args:
        name: id of this server.
        clock: for the time of a prediction.
        spool: where predictions go before they are answered.
        load: opens bundles; see :func:`~holdfast.serving.loader.bundle_loader`.
        limits: bounds on requests.
        spool_full: ``answer`` although a prediction cannot be recorded, or ``refuse``.
        metrics: what is counted.
        memory: most bytes that models may take; ``None``: all stay loaded.
        platform: a hosting platform adds the models, under names of its own, when it likes.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        spool: Spool,
        load: Load,
        limits: Limits | None = None,
        spool_full: Literal["answer", "refuse"] = "answer",
        metrics: Metrics | None = None,
        memory: int | None = None,
        platform: bool = False,
    ) -> None:
        self.name = name
        self.limits = limits or Limits()
        self.metrics = metrics or Metrics()
        self.parquet = ParquetReader(self.limits)
        self.routes = Routes(load, self.limits, self.metrics, memory=memory)
        self.routes.library.any_name = platform
        self.admission = Admission(self.limits, self.metrics)
        self.platform = platform
        self.starting = False
        self.draining = False
        self._spool = spool
        self._ids = new_ids("p")
        self._scorer = Scorer(
            clock=clock,
            spool=spool,
            refuse=spool_full == "refuse",
            limits=self.limits,
            admission=self.admission,
            metrics=self.metrics,
        )
        self.mirror = self._scorer.mirror

    async def apply(self, route: Route) -> bool:
        """As :meth:`holdfast.serving.routes.Routes.apply`."""
        self._scorer.use(asyncio.get_running_loop())
        return await self.routes.apply(route)

    @property
    def in_flight(self) -> int:
        """Requests being answered."""
        return self.admission.in_flight

    @property
    def ready(self) -> bool:
        """Whether traffic should come here."""
        models = self.platform or bool(self.routes.uses)
        return models and self._spool.healthy and not (self.starting or self.draining)

    def sleeps(self, name: str | None) -> bool:
        """Whether a model, named as for :meth:`pick`, would have to be loaded first."""
        return self._named(name) in self.routes.asleep

    def _named(self, name: str | None) -> str | None:
        """The only model, when none is named."""
        uses = self.routes.uses
        return next(iter(uses)) if name is None and len(uses) == 1 else name

    async def held(self, name: str | None, call: Callable[[], Awaitable[T]]) -> T:
        """Awaits ``call`` with a model in memory: loaded first if it sleeps, and not evicted
        before the call has ended.

        Args:
            name: as for :meth:`pick`, which says in the call what is wrong with it.
            call: made once the model is in memory.

        Raises:
            UnavailableError: when the model cannot be loaded now.
        """
        use = self.hold(name)
        try:
            await self.awake(name)
            return await call()
        finally:
            use.requests -= 1

    def hold(self, name: str | None) -> Use:
        """Counts a request for a model, named as for :meth:`pick`: it is not evicted before
        ``requests`` of what this returns was made one less.
        """
        use = self.routes.uses.get(self._named(name) or "") or Use()
        use.requests += 1
        use.last = time.perf_counter()
        return use

    async def awake(self, name: str | None) -> None:
        """Waits until a model that is held is in memory.

        Raises:
            UnavailableError: when it cannot be loaded now.
        """
        name = self._named(name)
        if name is not None and name in self.routes.asleep:
            await self.routes.wake(name)

    def pick(self, name: str | None) -> LiveRoute:
        """The live route of a model; of the only one, when none is named.

        Raises:
            NotFoundError: when there is no such model.
            RequestError: when several are served and none is named.
            UnavailableError: when there is no model yet.
        """
        models, name = self.routes.uses, self._named(name)
        if name is not None:
            found = self.routes.live.get(name)
            if found is not None:
                return found
            if self.starting:
                raise _not_ready()
            if name in self.routes.asleep:
                raise UnavailableError("model.not_loaded", "the model sleeps", "Try again soon")
            raise NotFoundError("request.no_model", "there is no such model here", "")
        if not models:
            raise _not_ready()
        names = self.routes.models
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        raise RequestError(
            "request.which_model",
            "this server has several models: " + ", ".join(names[:10]) + more,
            "Name one in the header X-Holdfast-Model or in the query as model=",
        )

    def version(self, live: LiveRoute, number: str) -> Loaded:
        """A version that is in memory.

        Raises:
            NotFoundError: when it is not.
        """
        found = live.versions.get(int(number)) if number.isascii() and number.isdigit() else None
        if found is None:
            raise NotFoundError("request.no_version", "there is no such version here", "")
        return found

    async def parse(self, size: int, parse: Callable[[], T]) -> T:
        """Runs a parser: at once for small bodies, else where it does not hold up the others."""
        if size <= self.limits.inline_bytes:
            return parse()
        return await asyncio.get_running_loop().run_in_executor(self._scorer.pool, parse)

    async def answer(
        self, live: LiveRoute, rows: Rows, caller: Caller, version: Loaded | None = None
    ) -> Answer:
        """Scores rows, records the prediction, then returns it.

        Args:
            live: the route the request began with.
            rows: converted by ``live.converter``, or by that of ``version``.
            caller: for the routing key.
            version: asked for by the caller, instead of the one the route chooses.

        Raises:
            BundleError: when no version could answer.
            UnavailableError: when it waited too long, or cannot be recorded and must be.
        """
        prediction_id = next(self._ids)
        chosen = version or live.only
        if chosen is None:
            chosen = live.choose(_routing_key(caller, rows) or prediction_id)
        work = Work(chosen, rows, live.model, prediction_id, live.route.epoch)
        tried = [chosen]
        try:
            outputs = await self._scorer.score(work, caller.deadline)
        except BundleError:
            if version is not None or chosen is live.champion:
                raise
            tried.append(live.champion)
            work = work._replace(loaded=live.champion)
            outputs = await self._scorer.score(work, caller.deadline)
        if live.watched:
            for loaded in live.watchers(tried):
                self.mirror.put(work._replace(loaded=loaded))
        return Answer(tried[-1], live.model, outputs, rows, prediction_id)

    async def close(self, seconds: float = 5.0) -> None:
        """Lets the shadows finish what waits, for a while."""
        await self._scorer.close(seconds)
        self.parquet.close()
        self.metrics.settle()
        self.routes.library.close()


def _not_ready() -> UnavailableError:
    return UnavailableError("request.not_ready", "no model is loaded yet", "Try again soon")


def _routing_key(caller: Caller, rows: Rows) -> str | None:
    key = caller.routing_key
    if key is None and rows.ids:
        key = rows.ids[0]
    if key is None and (caller_id := caller.caller_id) is not None:
        key = caller_id.decode()
    return key
