"""Tries channels: a message that is clearly a test, past the outbox, with what came back."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.errors import DeliveryError, NotFoundError
from holdfast.loop.channels import payload, send
from holdfast.loop.container import Container
from holdfast.loop.messages import trial
from holdfast.loop.notices import addressed
from holdfast.ports.ids import new_id
from holdfast.records import Record


class Tried(Record, frozen=True, kw_only=True):
    """How a channel took a test.

    Args:
        said: what came back, or what is wrong.
        payload: what would be sent; only of a dry run.
    """

    channel: str
    kind: str
    ok: bool
    said: str
    payload: str = ""

    def lines(self) -> Iterator[str]:
        """The outcome as text."""
        yield f"{self.channel} ({self.kind}): {'ok' if self.ok else 'FAILED'}: {self.said}"
        yield from self.payload.splitlines()


def try_channels(
    container: Container, model: str, name: str | None, *, dry_run: bool
) -> list[Tried]:
    """Sends a test to one channel of a model, or to all.

    Raises:
        NotFoundError: when there is no such channel, or none at all.
    """
    spec = container.spec(model)
    channels = [one for one in spec.notify if name in (None, one.channel)]
    if not channels:
        known = ", ".join(one.channel for one in spec.notify)
        raise NotFoundError(
            "notify.none",
            f"{model} has no channel" + (f" '{name}'" if name else ""),
            f"There are: {known}." if known else "Add a [[notify]] table to holdfast.toml.",
        )
    tried, story = [], new_id("test")
    for channel in channels:
        message = trial(model, channel.channel, story, container.clock.now())
        notification = addressed(container, channel, message)
        ok, said, text = True, "", ""
        try:
            if dry_run:
                said, text = "not sent", payload(channel, spec.root, notification)
            else:
                said = send(channel, spec.root, notification)
        except DeliveryError as error:
            ok, said = False, str(error)
        tried.append(
            Tried(channel=channel.channel, kind=channel.kind, ok=ok, said=said, payload=text)
        )
    return tried
