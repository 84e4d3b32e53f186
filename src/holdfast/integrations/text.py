"""A notification as plain text and as Markdown, the same lines for every channel."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.records import Notification


def plain(notification: Notification) -> Iterator[str]:
    """Lines of plain text, without the title."""
    for fact in notification.facts:
        yield f"{fact.name}: {fact.text}"
    if notification.command:
        yield f"To act: {notification.command}"
    if notification.link:
        yield f"See: {notification.link}"


def markdown(notification: Notification) -> Iterator[str]:
    """Lines of GitHub's Markdown, without the title."""
    for fact in notification.facts:
        yield f"- **{fact.name}:** {escaped(fact.text)}"
    if notification.command:
        yield f"- **To act:** `{notification.command}`"
    if notification.link:
        yield f"- **See:** {notification.link}"


def escaped(text: str) -> str:
    r"""Text in which Markdown means nothing and nobody is mentioned.

    >>> escaped("plan*2 <b> @ann")
    'plan\\*2 \\<b\\> @\u200bann'
    """
    marked = "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~" else c for c in text)
    return " ".join(marked.replace("@", "@\u200b").split())
