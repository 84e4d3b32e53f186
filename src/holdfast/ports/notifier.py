"""Tells people: one channel, such as a webhook or a mail server."""

from __future__ import annotations

from typing import Protocol

from holdfast.records import Notification
from holdfast.spec import Notify

GROUP = "holdfast.notifiers"
"""The group of entry points by which kinds of channels are found: kind → :class:`MakeNotifier`."""


class Notifier(Protocol):
    """One channel, opened."""

    def payload(self, notification: Notification) -> str:
        """What would be sent, as text; touches no network and needs no secret."""
        ...

    def send(self, notification: Notification) -> str:
        """Sends it, once; what is sent carries its id, which tells a repetition.

        Returns:
            What came back, in one line.

        Raises:
            DeliveryError: when it was not taken, or that is not known; it is then sent again.
        """
        ...


class MakeNotifier(Protocol):
    """What an entry point names."""

    def __call__(self, channel: Notify) -> Notifier:
        """Opens a channel; touches no network.

        Args:
            channel: its table of ``holdfast.toml``; ``$VARIABLES`` are filled in before anything is
                sent, and left as they are for :meth:`Notifier.payload`.
        """
        ...
