"""Telling people."""

from __future__ import annotations

from typing import Protocol

from holdfast.records import Incident


class Notifier(Protocol):
    """Sends one message about an incident; sending it twice must do no harm."""

    def notify(self, incident: Incident, sentence: str) -> None:
        """Delivers, or raises so that it is tried again.

        Raises:
            UnavailableError: when the receiver cannot be reached.
        """
        ...
