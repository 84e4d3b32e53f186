"""The world outside: airlines that ask, flights that land, in time order on a compressed clock."""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import polars as pl

from holdfast.loop.clock import RehearsalClock
from holdfast.spec import Data

IDLE_SECONDS = 2.0
REPORT_HOURS = 6  # airports report what landed every six hours
REQUEST_ROWS = 40
REPORTS_WAITING = 2


class Played(NamedTuple):
    """What was sent: requests, rows, requests that were not answered with 200, labels."""

    requests: int
    rows: int
    failed: int
    labels: int


class Endpoint:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self._host, timeout=30)
        self._used = time.monotonic()

    def post(self, path: str, body: bytes) -> tuple[int, str | None, bytes]:
        """Status, version that answered, and body; a broken connection is status 0."""
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()  # servers close idle connections after some seconds
        self._used = time.monotonic()
        try:
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            return answer.status, answer.headers.get("X-Holdfast-Version"), answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return 0, None, repr(error).encode()


class Traffic:
    """Plays a history of predictions and labels against a running installation.

    Args:
        frame: the rows of the project's loader.
        data: ``[data]`` of its spec.
        server: URL of predictions.
        labels: URL to which labels are posted.
        clock: moved on as the rows are sent.
    """

    def __init__(
        self, frame: pl.DataFrame, data: Data, server: str, labels: str, clock: RehearsalClock
    ) -> None:
        self._data = data
        assert data.id is not None
        assert data.label_time is not None
        self._columns = [data.id, *data.features]
        order = [data.time, data.id]
        self._rows = frame.sort(order)
        self._outcomes = frame.select(data.id, data.label, data.label_time).sort(data.label_time)
        self._landing = self._outcomes[data.label_time].dt.epoch("us").to_numpy()
        self._server = Endpoint(server)
        self._labels = Endpoint(labels)
        self._labels_path = urlsplit(labels).path
        self._clock = clock
        self._sent_until = clock.now()
        first = self._landing.searchsorted(int(clock.timestamp() * 1e6))
        self._told = int(first)

    def play(
        self,
        until: datetime,
        pause: Callable[[], bool] = lambda: False,
        stop: Callable[[], bool] = lambda: False,
        pace: Callable[[], float] = lambda: 0.0,
    ) -> Played:
        """Sends everything that happens until a time.

        Args:
            until: simulated time.
            pause: while it says so the clock stands still (work takes seconds, not days).
            pace: seconds of real time that an hour takes at least, asked every six hours.
            stop: ends early when it says so, after a report of what landed.
        """
        time_column = self._data.time
        part = self._rows.filter(
            (pl.col(time_column) > self._sent_until) & (pl.col(time_column) <= until)
        )
        requests = rows = failed = 0
        slow = pace()
        reports: deque[Future[int]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="landings") as landings:
            for hour, group in _hours(part, time_column):
                time.sleep(slow)
                self._clock.advance(hour)
                for body, size in self._bodies(group):
                    status, _, _ = self._server.post("/invocations", body)
                    requests, rows = requests + 1, rows + size
                    failed += status != 200
                self._sent_until = hour
                if hour.hour % REPORT_HOURS == 0:
                    reports.append(landings.submit(self._land))
                    if len(reports) > REPORTS_WAITING:
                        reports[-REPORTS_WAITING].result()
                    if stop():
                        break
                    while pause():
                        time.sleep(0.02)
                    slow = pace()
            else:
                self._sent_until = until
                self._clock.advance(until)
                reports.append(landings.submit(self._land))
        return Played(requests, rows, failed, sum(report.result() for report in reports))

    def _bodies(self, group: pl.DataFrame) -> Iterator[tuple[bytes, int]]:
        """The flights of an hour, in requests of a size that an airport's system would send."""
        for rows in group.select(self._columns).iter_slices(REQUEST_ROWS):
            body = {"dataframe_split": {"columns": rows.columns, "data": rows.rows()}}
            yield msgspec.json.encode(body), rows.height

    def _land(self) -> int:
        """Reports every flight that landed since the last report."""
        now = int(self._clock.timestamp() * 1e6)
        end = int(self._landing.searchsorted(now, side="right"))
        landed = self._outcomes[self._told : end]
        if landed.height < 1:
            return 0
        body = msgspec.json.encode(landed.to_dicts())
        status, _, answer = self._labels.post(self._labels_path, body)
        if status != 200:
            raise RuntimeError(f"labels were refused: {status} {answer[:300]!r}")
        self._told = end
        return landed.height

    def one_row(self) -> bytes:
        """The body of a request with one row, for probing."""
        body, _ = next(self._bodies(self._rows.tail(1)))
        return body


def _hours(frame: pl.DataFrame, column: str) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """The rows hour by hour, each with the time of its last row."""
    keyed = frame.with_columns(_hour=pl.col(column).dt.truncate("1h"))
    for part in keyed.partition_by("_hour", maintain_order=True, include_key=False):
        last = part[column].max()
        assert isinstance(last, datetime)
        yield last, part


class Probe(NamedTuple):
    """One answer: when it was there (monotonic seconds), status, version."""

    at: float
    status: int
    version: str | None


class Prober:
    """Asks without a pause from several connections, to see what users see during a change."""

    def __init__(self, url: str, body: bytes, connections: int = 4) -> None:
        self._stop = threading.Event()
        self._seen: list[Probe] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(Endpoint(url), body), daemon=True)
            for _ in range(connections)
        ]

    def __enter__(self) -> Prober:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def seen(self) -> list[Probe]:
        """All answers so far, in time order."""
        return sorted(self._seen)

    def _ask(self, endpoint: Endpoint, body: bytes) -> None:
        while not self._stop.is_set():
            status, version, _ = endpoint.post("/invocations", body)
            self._seen.append(Probe(time.monotonic(), status, version))
