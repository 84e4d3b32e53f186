"""Which requests are answered when more come than can be.

A late answer is worth nothing: its caller has given up, or will time out. So a request that has
waited too long is refused before it is scored, which costs a small part of scoring it. What is left
is answered in time, and the rate of answers in time stays what it was at saturation, however much
more is offered.
"""

from __future__ import annotations

import time

from holdfast.errors import UnavailableError
from holdfast.serving.limits import Limits
from holdfast.serving.metrics import Metrics
from holdfast.serving.requests import Caller

HEADER = b"x-holdfast-timeout-ms"
_LONGEST = 9  # digits


class Admission:
    """The requests of one process that are being answered.

    Args:
        limits: how many, how long, how much memory.
        metrics: counts what was refused.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.in_flight = 0
        self._limits = limits
        self._metrics = metrics
        self._held = 0
        metrics.watch(lambda: self.in_flight)

    def enter(self) -> None:
        """Takes a place; give it back with :meth:`leave`.

        Raises:
            UnavailableError: when there is none.
        """
        self.room()
        self.in_flight += 1
        self._metrics.look()

    def admit(self, caller: Caller, arrived: float | None) -> None:
        """Takes a place for a request that is here whole: slow callers keep none from others.

        Args:
            caller: told until when scoring must have begun.
            arrived: when its last byte came, on the monotonic clock; now, if that is not known.

        Raises:
            UnavailableError: when it waited too long, or too many are being answered.
        """
        if arrived is None:
            arrived = time.monotonic()
        caller.deadline = self.deadline(arrived, caller.headers.get(HEADER))
        self.check(caller.deadline)
        self.enter()

    def room(self) -> None:
        """Sees whether there is a place.

        Raises:
            UnavailableError: when there is none.
        """
        if self.in_flight >= self._limits.in_flight:
            raise self._refused("in_flight", "too many requests are being answered")

    def leave(self) -> None:
        """Gives the place back."""
        self.in_flight -= 1

    def deadline(self, arrived: float, asked: bytes | None) -> float:
        """Until when scoring must have begun, in seconds of the monotonic clock.

        Args:
            arrived: when the last byte of the request was read.
            asked: the caller's ``X-Holdfast-Timeout-Ms``; it can shorten or lengthen the default.
        """
        if asked is not None and asked.isdigit() and len(asked) <= _LONGEST:
            return arrived + int(asked) / 1000
        return arrived + self._limits.deadline_seconds

    def check(self, deadline: float) -> None:
        """Call right before scoring, in whatever thread.

        Raises:
            UnavailableError: when the request has waited too long.
        """
        if time.monotonic() > deadline:
            raise self._refused("late", "the request waited too long for its turn")

    def hold(self, size: int) -> None:
        """Counts bytes of a body that is kept.

        Raises:
            UnavailableError: when all bodies together would take too much.
        """
        if self._held + size > self._limits.bodies:
            raise self._refused("bodies", "too many large requests are being answered")
        self._held += size

    def release(self, size: int) -> None:
        """The bytes are no longer kept."""
        self._held -= size

    def _refused(self, reason: str, sentence: str) -> UnavailableError:
        self._metrics.refused(reason)
        return UnavailableError("request.overloaded", sentence, "Try again a little later")
