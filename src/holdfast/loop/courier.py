"""Delivers the outbox, beside the reconciler's passes: a slow endpoint holds up nothing.

A notification is claimed before it is sent: nobody tries it again while :data:`HOLD` lasts. Whoever
dies between sending and marking has it sent again, with the same id.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from holdfast.errors import DeliveryError, HoldfastError
from holdfast.loop.channels import send
from holdfast.loop.container import Container, replace
from holdfast.records import Notification, NotificationState
from holdfast.spec import Notify

log = logging.getLogger("holdfast")

AT_ONCE = 8
HOLD = timedelta(minutes=2)
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
_ORDER = ("opened", "waiting", "worse", "acknowledged", "answered", "ended", "closed", "test")


class Courier:
    """Sends what is due, each in a thread of its own, a few at once.

    Messages of one story reach a channel in their order: the next waits until the one before was
    sent or given up.

    Args:
        container: the wiring.
        wall: time of the machine.
    """

    def __init__(self, container: Container, wall: Callable[[], datetime]) -> None:
        self._container = container
        self._store = container.store
        self._wall = wall
        self._flying: dict[str, threading.Thread] = {}

    def tick(self) -> None:
        """Begins to send what is due; waits for nothing."""
        self._flying = {key: one for key, one in self._flying.items() if one.is_alive()}
        waiting = self._container.ask(self._store.notifications.waiting)
        for notification in due(waiting, self._wall()):
            key = f"{notification.model}/{notification.channel}"
            if key in self._flying or len(self._flying) >= AT_ONCE:
                continue
            thread = threading.Thread(
                target=self._deliver, args=(notification,), name=f"holdfast-notify-{key}",
                daemon=True,  # whoever stops need not wait: it is sent again, with the same id
            )  # fmt: skip
            self._flying[key] = thread
            thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Waits a little for what is under way."""
        end = time.monotonic() + seconds
        for thread in self._flying.values():
            thread.join(max(end - time.monotonic(), 0.0))

    def _deliver(self, notification: Notification) -> None:
        try:
            claimed = self._claim(notification)
            if claimed is not None:
                self._finish(claimed, *self._try(claimed))
        except Exception:
            log.exception("notification %s", notification.id)

    def _claim(self, notification: Notification) -> Notification | None:
        """Takes it; None when another control plane did so before."""
        with self._store.begin() as tx:
            present = self._store.notifications.find(tx, notification.id)
            if present != notification:
                return None
            claimed: Notification = replace(
                notification, attempts=notification.attempts + 1, due_at=self._wall() + HOLD
            )
            self._store.notifications.save(tx, claimed)
        return claimed

    def _try(self, claimed: Notification) -> tuple[str | None, DeliveryError | None]:
        try:
            spec = self._container.spec(claimed.model)
            channel = _channel(spec.notify, claimed.channel)
            return send(channel, spec.root, claimed), None
        except DeliveryError as error:
            return None, error
        except HoldfastError as error:
            return None, DeliveryError(error.code, error.message, error.fix)

    def _finish(self, claimed: Notification, said: str | None, error: DeliveryError | None) -> None:
        now = self._wall()
        with self._store.begin() as tx:
            if error is None:
                done = replace(
                    claimed, state=NotificationState.SENT, sent_at=now, said=said or "", due_at=now
                )
                self._store.notifications.save(tx, done)
                return
            left = claimed.until - now
            if left > timedelta(0) and error.code != "notify.no_channel":
                wait = min(pause(claimed.id, claimed.attempts, error.retry_after), left)
                self._store.notifications.save(
                    tx, replace(claimed, said=str(error), due_at=now + wait)
                )
                return
            over = replace(claimed, state=NotificationState.GIVEN_UP, said=str(error), due_at=now)
            self._store.notifications.save(tx, over)
            sentence = f"'{claimed.title}' did not reach {claimed.channel}: {error}"
            self._store.events.append(
                tx, self._container.clock.now(), "notification.given_up", claimed.model, "holdfast",
                {"sentence": sentence, "notification": over.to_dict()},
            )  # fmt: skip
        log.error("%s: %s", claimed.model, sentence)


def due(waiting: tuple[Notification, ...], now: datetime) -> list[Notification]:
    """What may be sent now: the first of each story and channel, fresh ones before failing ones."""
    first: dict[tuple[str, str, str], Notification] = {}
    for one in sorted(waiting, key=lambda one: (one.at, _ORDER.index(one.event))):
        first.setdefault((one.model, one.channel, one.story), one)
    ready = [one for one in first.values() if one.due_at <= now]
    return sorted(ready, key=lambda one: (one.attempts, one.at))


def pause(identifier: str, attempts: int, asked: float | None = None) -> timedelta:
    """How long to wait after an attempt that failed: twice as long each time, up to a quarter.

    The jitter (half to the whole) follows from the id, so that many do not come back at once.

    Args:
        identifier: of the notification.
        attempts: how often it was tried, from 1.
        asked: seconds that the other side asked for.

    >>> pause("a", 1) < pause("a", 3) < pause("a", 40) <= LONGEST_WAIT
    True
    >>> pause("a", 1, 60.0)
    datetime.timedelta(seconds=60)
    """
    full: timedelta = min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    chance = (
        int.from_bytes(hashlib.sha256(f"{identifier}:{attempts}".encode()).digest()[:4]) / 2**32
    )
    return max(full * (0.5 + chance / 2), timedelta(seconds=asked or 0.0))


def _channel(channels: tuple[Notify, ...], name: str) -> Notify:
    for channel in channels:
        if channel.channel == name:
            return channel
    raise DeliveryError(
        "notify.no_channel", f"there is no channel '{name}' any more", "See [[notify]]."
    )
