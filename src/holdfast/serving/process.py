"""A server as a process: sockets, signals, draining.

``serve`` is called by whoever knows how to open a spool; it returns when the process is told to
stop. With several workers it starts the same command again once for each, and they share one
listening socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from holdfast.errors import HoldfastError, UsageError
from holdfast.ports.clock import Clock
from holdfast.ports.spool import Spool
from holdfast.serving.admin import Admin, Command, Reply
from holdfast.serving.app import Application, create_app
from holdfast.serving.bundles import BundleCache
from holdfast.serving.cache import RouteCache
from holdfast.serving.crew import Desk
from holdfast.serving.follow import Follower
from holdfast.serving.http import Protocol
from holdfast.serving.loader import Load
from holdfast.serving.metrics import Metrics, MetricsPort, use_slot
from holdfast.serving.multimodel import MultiModel
from holdfast.serving.options import (
    ServeOptions,
    check_exposure,
    hold_grpc,
    is_loopback,
    listen,
    metrics_address,
    tell,
    url_of,
)
from holdfast.serving.repository import PREFIX, Repository
from holdfast.serving.server import ModelServer
from holdfast.serving.workers import Seat, supervise

if TYPE_CHECKING:
    from holdfast.serving.rpc.port import GrpcPort

OpenSpool = Callable[[str], AbstractContextManager[Spool]]


def serving_environment() -> dict[str, str]:
    """The environment to start a server's process with: one thread per model, because more only
    fight over the cores (they doubled the CPU of a request), and few memory arenas.
    """
    defaults = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    return {**defaults, **os.environ}


def serve(
    options: ServeOptions,
    *,
    clock: Clock,
    open_spool: OpenSpool,
    load: Load,
    command: Sequence[str] = (),
    announce: Callable[[str], None] = lambda _: None,
) -> int:
    """Serves until SIGTERM or SIGINT.

    Args:
        options: how.
        clock: for the time of predictions.
        open_spool: from the name of a writer to its spool, closed at the end.
        load: opens bundles.
        command: the command that led to this call; needed for more than one worker.
        announce: told the URL once.

    Returns:
        An exit status.

    Raises:
        UsageError: when it would be open to everybody, or the address cannot be had.
        HoldfastError: when a fixed route cannot be served.
    """
    seat = Seat.mine()
    if seat is not None:
        use_slot(seat.slot)
        with socket.socket(fileno=seat.fd) as listening:
            return _worker(options, clock, open_spool, load, seat, listening)
    check_exposure(options)
    if options.workers > 1 and not command:
        raise UsageError("serve.command", "several workers need the command to start them")
    with listen(options) as listening, hold_grpc(options) as grpc:
        for name, value in serving_environment().items():
            os.environ.setdefault(name, value)
        if options.workers == 1:
            alone = Seat(slot=0, fd=listening.fileno(), parent=-1, grpc=grpc)
            return _worker(options, clock, open_spool, load, alone, listening, announce)
        url = url_of(options.host, listening)
        return supervise(
            command,
            listening,
            workers=options.workers,
            metrics=metrics_address(options),
            grpc=grpc,
            grace=options.drain + options.grace,
            started=lambda metrics_url: tell(options, url, metrics_url, grpc, announce),
            repository=lambda run: _repository(options, run),
        )


def _worker(
    options: ServeOptions,
    clock: Clock,
    open_spool: OpenSpool,
    load: Load,
    seat: Seat,
    listening: socket.socket,
    announce: Callable[[str], None] | None = None,
) -> int:
    """One process that answers; with ``announce`` the only one."""
    metrics = Metrics()
    port = None
    life: _Life | None = None

    def order(command: Command) -> Reply:
        return Reply(503) if life is None else life.desk.order(command)

    if announce is not None and (address := metrics_address(options)) is not None:
        admin = (PREFIX, _repository(options, order))
        port = MetricsPort(metrics.registry, host=address[0], port=address[1], admin=admin)
    metrics_url = port.url if port else seat.metrics_url
    url = url_of(options.host, listening)
    with open_spool(f"worker-{seat.slot}") as spool:
        server = ModelServer(
            options.server if announce is not None else f"{options.server}-{seat.slot}",
            clock=clock,
            spool=spool,
            load=load,
            limits=options.limits,
            spool_full=options.spool_full,
            metrics=metrics,
            memory=None if options.memory is None else options.memory // options.workers,
            platform=options.model_root is not None,
        )
        life = _Life(options, server, clock, url, metrics_url, seat)
        if announce is not None:
            tell(options, url, metrics_url, seat.grpc, announce)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(life.run(listening))
    if port is not None:
        port.close()
    return 0


def _repository(options: ServeOptions, run: Callable[[Command], Reply]) -> Repository:
    return Repository(run, tokens=options.tokens, exposed=not is_loopback(options.metrics_host))


class _Life:
    """From the first connection to the last."""

    def __init__(
        self,
        options: ServeOptions,
        server: ModelServer,
        clock: Clock,
        url: str,
        metrics_url: str,
        seat: Seat,
    ) -> None:
        self._options = options
        self._server = server
        self._clock = clock
        self._urls = (url, metrics_url)
        self._seat = seat
        self.desk = Desk(Admin(server, options.model_root), seat.folder, seat.slot)
        self._failure: HoldfastError | None = None
        self._follower: Follower | None = None

    async def run(self, listening: socket.socket) -> None:
        """Listens at once, loads meanwhile; readiness says when there is a model."""
        self.desk.begin()
        self._server.starting = True
        multi = MultiModel(self._server, self.desk.everywhere) if self._options.model_root else None
        app = create_app(
            self._server,
            tokens=self._options.tokens,
            platform=self._options.platform,
            multi=multi,
        )
        rpc = await _listen_grpc(app, self._server, self._seat.grpc)
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            proxy_headers=False,  # nothing here asks who the client is
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(self._options.grace)),
        )
        http = _Http(config, self._server, self._options.drain, self._seat.parent, rpc)
        loading = asyncio.create_task(self._load(http))
        await http.serve(sockets=[listening])
        if self._follower is not None:
            self._follower.stop()
        loading.cancel()
        self.desk.close()
        with contextlib.suppress(asyncio.CancelledError):
            await loading
        await self._server.close()
        if self._failure is not None:
            raise self._failure

    async def _load(self, http: _Http) -> None:
        await self._load_routes(http)
        await self.desk.join()
        if self._options.control is None or self._server.routes.uses:
            self._server.starting = False

    async def _load_routes(self, http: _Http) -> None:
        options = self._options
        folder = options.home / "serve"
        bundles = BundleCache(folder / "bundles")
        cache = RouteCache(folder, f"routes-{self._server.name}.json", bundles)
        fixed = options.control is None
        routes = options.routes if fixed else cache.load()
        for route in routes[options.ahead :]:
            self._server.routes.rest(route)
        for route in routes[: options.ahead]:
            try:
                await self._server.apply(route)
            except HoldfastError as error:
                if fixed and len(routes) == 1:
                    self._failure = error
                    http.stop()
                    return
                if fixed:  # the others are served; this one is tried again when it is asked for
                    self._server.routes.rest(route)
        # What was loaded lives as long as the process; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        if options.control is not None:
            self._follower = Follower(
                self._server,
                asyncio.get_running_loop(),
                control=options.control,
                cache=cache,
                clock=self._clock,
                url=self._urls[0],
                metrics_url=self._urls[1],
            )
            self._follower.start()


async def _listen_grpc(app: Application, server: ModelServer, address: str) -> GrpcPort | None:
    """The port of gRPC, imported only when it is wanted: it takes some 20 MB."""
    if not address:
        return None
    from holdfast.serving.rpc.port import GrpcPort

    port = GrpcPort(app, server, address)
    await port.start()
    return port


class _Http(uvicorn.Server):
    """uvicorn, told to stop in order: first not ready, then closed, then gone; and gRPC with it."""

    def __init__(
        self,
        config: uvicorn.Config,
        server: ModelServer,
        drain: float,
        parent: int,
        rpc: GrpcPort | None,
    ) -> None:
        super().__init__(config)
        self._rpc = rpc
        self._model_server = server
        self._drain = drain
        self._parent = parent

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's, which raises the signal again and so skips closing the spool."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        if self._parent >= 0:
            # The pipe ends when the parent does, however it died.
            loop.add_reader(self._parent, self._orphaned)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes both ports; they have the same time to finish what was begun."""
        if self._rpc is None:
            await super().shutdown(sockets)
            return
        seconds = float(self.config.timeout_graceful_shutdown or 0)
        finished = asyncio.create_task(self._rpc.stop(seconds))
        await super().shutdown(sockets)
        if self.force_exit:
            await self._rpc.stop(0.0)
        await finished

    def stop(self) -> None:
        """Drains, then stops; a second call does not wait for requests."""
        if self._model_server.draining:
            self.force_exit = True
            return
        self._model_server.draining = True
        asyncio.get_running_loop().call_later(self._drain, self._close)

    def _close(self) -> None:
        self.should_exit = True

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(self._parent)
        self.stop()
