"""The outbox: what people are to be told, written with its cause and delivered afterwards."""

from __future__ import annotations

from sqlalchemy import Connection, select

from holdfast.records import Notification, NotificationState
from holdfast.store.rows import first, put, put_once, several
from holdfast.store.tables import notifications

_AT_ONCE = 10_000  # so many that a dead channel cannot hide what waits for others


class Notifications:
    """Messages for channels; the same cause told to the same channel twice is told once."""

    def add(self, tx: Connection, notification: Notification) -> bool:
        """Writes one unless its id is known; says whether it did."""
        return put_once(tx, notifications, notification, **_columns(notification))

    def save(self, tx: Connection, notification: Notification) -> None:
        """Writes one in its present state."""
        put(tx, notifications, notification, **_columns(notification))

    def find(self, tx: Connection, notification_id: str) -> Notification | None:
        """One of them, or None."""
        query = select(notifications.c.record).where(notifications.c.id == notification_id)
        return first(tx, Notification, query)

    def waiting(self, tx: Connection) -> tuple[Notification, ...]:
        """Those to be sent, oldest first; at most ten thousand."""
        query = select(notifications.c.record).limit(_AT_ONCE)
        query = query.where(notifications.c.state == NotificationState.WAITING.value)
        return several(tx, Notification, query.order_by(*_OLDEST_FIRST))

    def list(
        self,
        tx: Connection,
        model: str | None = None,
        *,
        states: tuple[NotificationState, ...] = (),
        limit: int = 100,
    ) -> tuple[Notification, ...]:
        """Newest first."""
        query = select(notifications.c.record).limit(limit)
        if model is not None:
            query = query.where(notifications.c.model == model)
        if states:
            query = query.where(notifications.c.state.in_([state.value for state in states]))
        newest = (notifications.c.created_at.desc(), notifications.c.id.desc())
        return several(tx, Notification, query.order_by(*newest))


_OLDEST_FIRST = (notifications.c.created_at, notifications.c.id)


def _columns(notification: Notification) -> dict[str, object]:
    return {
        "id": notification.id,
        "model": notification.model,
        "channel": notification.channel,
        "state": notification.state.value,
        "created_at": notification.at,
    }
