"""Lanes: work on many models side by side, so that a slow one holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Lanes:
    """Some threads; of each model one piece of work at most is under way.

    Args:
        threads: how many; with 0 the work is done at once by the caller.
        name: of the threads.
    """

    def __init__(self, threads: int, name: str = "") -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name) if threads else None
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[None]] = {}

    def submit(self, model: str, work: Callable[[str], None]) -> bool:
        """Does the work now or soon; False when the model's last is still under way."""
        if self._pool is None:
            work(model)
            return True
        with self._lock:
            if model in self._under_way:
                return False
            future = self._under_way[model] = self._pool.submit(work, model)
        future.add_done_callback(lambda _: self._end(model))
        return True

    def is_idle(self) -> bool:
        """Whether nothing is under way; what has not begun is dropped."""
        with self._lock:
            waiting = list(self._under_way.values())
        for future in waiting:
            future.cancel()
        with self._lock:
            return not self._under_way

    def close(self) -> None:
        """Waits for what is under way; drops what has not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _end(self, model: str) -> None:
        with self._lock:
            self._under_way.pop(model, None)
