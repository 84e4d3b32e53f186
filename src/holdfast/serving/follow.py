"""Keeping the routes of a server up to date with the control plane.

A plain thread with ``http.client``: one long poll at a time needs no more, and importing an HTTP
client library would cost the server 14 MB. The server goes on with the last known routes while the
control plane is away, also across its own restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import msgspec

from holdfast.errors import HoldfastError, UnavailableError
from holdfast.ports.clock import Clock
from holdfast.records import Route, ServerReport
from holdfast.serving.cache import RouteCache
from holdfast.serving.server import ModelServer

_log = logging.getLogger("holdfast.serving")
_LARGEST_ANSWER = 8 * 2**20
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, kw_only=True)
class ControlAddress:
    """Where the control plane is.

    Args:
        url: such as ``http://127.0.0.1:8700``.
        token: bearer token.
        wait: seconds one poll may hang.
        retry_failed: seconds until a route that could not be served is tried again.
    """

    url: str
    token: str = ""
    wait: float = 25.0
    retry_failed: float = 15.0


class Follower:
    """The thread that follows.

    Args:
        server: whose routes are kept.
        loop: the event loop the server runs in.
        control: whom to ask.
        cache: where the last known routes are kept.
        clock: for the time of reports.
        url: where this server answers, for reports.
        metrics_url: where its metrics are.
    """

    def __init__(
        self,
        server: ModelServer,
        loop: asyncio.AbstractEventLoop,
        *,
        control: ControlAddress,
        cache: RouteCache,
        clock: Clock,
        url: str,
        metrics_url: str = "",
    ) -> None:
        self._server = server
        self._loop = loop
        self._control = control
        self._cache = cache
        self._clock = clock
        self._url = url
        self._metrics_url = metrics_url
        self._stop = threading.Event()
        self._failed: dict[str, int] = {}
        self._client = _Client(control)
        self._thread = threading.Thread(target=self._run, name="holdfast-follow", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the present step; a hanging poll is cut."""
        self._stop.set()
        self._client.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                self._client.report(self._own_report())
                self._once()
                pause = _FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 (following never ends)
                if self._stop.is_set():
                    return
                expected = isinstance(error, UnavailableError)
                _log.warning("the control plane: %s", error, exc_info=not expected)
                self._stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _once(self) -> None:
        """One poll. A route that failed counts as seen, and is asked for again after a while."""
        seen = {**self._server.routes.epochs, **self._failed}
        wait = self._control.retry_failed if self._failed else self._control.wait
        started = time.monotonic()
        routes = self._client.routes(self._server.name, seen, wait)
        if not routes:
            self._failed.clear()
            if time.monotonic() - started < _FIRST_PAUSE:
                self._stop.wait(_FIRST_PAUSE)  # it does not hold the poll: do not storm it
        for route in routes:
            self._apply(route)
        self._server.starting = False

    def _apply(self, route: Route) -> None:
        """Other routes are served even when this one cannot be."""
        future = asyncio.run_coroutine_threadsafe(self._server.apply(route), self._loop)
        try:
            if future.result():
                self._cache.keep(route)
            self._failed.pop(route.model, None)
        except HoldfastError as error:
            self._failed[route.model] = route.epoch
            _log.error("%s", error)

    def _own_report(self) -> ServerReport:
        routes = self._server.routes
        return ServerReport(
            server=self._server.name,
            url=self._url,
            pid=os.getpid(),
            epochs=dict(routes.epochs),
            at=self._clock.now(),
            problems=dict(routes.problems),
            metrics_url=self._metrics_url,
        )


class _Client:
    """The two calls, over one kept connection."""

    def __init__(self, control: ControlAddress) -> None:
        parts = urlsplit(control.url)
        self._kind: Callable[..., http.client.HTTPConnection] = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if control.token:
            self._headers["Authorization"] = f"Bearer {control.token}"
        self._connection: http.client.HTTPConnection | None = None

    def routes(self, server: str, seen: Mapping[str, int], wait: float) -> list[Route]:
        """Routes newer than ``seen``; waits for one.

        Raises:
            UnavailableError: when there is no sensible answer.
        """
        since = quote(json.dumps(seen), safe="")
        path = f"/api/v1/routes?server={quote(server, safe='')}&since={since}&wait={wait:g}"
        data = self._call("GET", path, None, wait + 10.0)
        try:
            return msgspec.json.decode(data, type=list[Route]) if data else []
        except msgspec.MsgspecError as error:
            raise UnavailableError("control.answer", f"no list of routes: {error}") from error

    def report(self, report: ServerReport) -> None:
        """Confirms what is served.

        Raises:
            UnavailableError: when it was not taken.
        """
        self._call("POST", "/api/v1/servers", report.to_json(), 10.0)

    def close(self) -> None:
        """Cuts whatever hangs."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):  # closing alone would not wake a waiting read
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _call(self, method: str, path: str, body: bytes | None, seconds: float) -> bytes:
        if self._connection is None:
            self._connection = self._kind(self._host, self._port, timeout=seconds)
        connection = self._connection
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(seconds)
            connection.request(method, self._prefix + path, body, self._headers)
            response = connection.getresponse()
            data = response.read(_LARGEST_ANSWER)
            status = response.status
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._connection = None
            raise UnavailableError(
                "control.unreachable", f"not reachable: {type(error).__name__}"
            ) from error
        if status == 204:
            return b""
        if status >= 300:
            connection.close()
            raise UnavailableError("control.refused", f"it answered with status {status}")
        return data
