"""What each kind of ``[[notify]]`` needs and takes, and that no secret stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from holdfast.spec.types import Notify

LONGEST_TIMEOUT = timedelta(seconds=30)
VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
SECRETS = ("secret", "key", "token", "password")
COMMON = ("kind", "name", "on", "ca", "timeout", "give_up")

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "webhook": (("url", "secret"), ()),
    "slack": (("url",), ()),
    "email": (("host", "sender", "to"), ("port", "security", "user", "password")),
    "pagerduty": (("key",), ("url",)),
    "github": (("repository", "token"), ("issue", "url")),
}
"""Kind → the keys it needs, and those it takes besides and the common ones."""

_DEFAULTS = Notify(kind="x")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")


def variable_of(text: str) -> str | None:
    """The environment variable that a value names, or None.

    >>> variable_of("$SLACK_WEBHOOK_URL"), variable_of("https://example.org")
    ('SLACK_WEBHOOK_URL', None)
    """
    match = VARIABLE.fullmatch(text)
    return match[1] if match else None


def channel_faults(channels: Sequence[Notify]) -> Iterator[tuple[str, str, str]]:
    """Path, what is wrong there, and the fix: of what types alone cannot say."""
    names = [channel.channel for channel in channels]
    for number, channel in enumerate(channels):
        where = f"notify[{number}]"
        for key, message, fix in _faults(channel):
            yield f"{where}.{key}", message, fix
        if names.index(channel.channel) != number:
            fix = "Give each channel a name of its own."
            yield f"{where}.name", f"two channels are called '{channel.channel}'", fix


def _faults(channel: Notify) -> Iterator[tuple[str, str, str]]:
    yield from _key_faults(channel)
    yield from _secret_faults(channel)
    yield from _url_faults(channel)
    if not timedelta(0) < channel.timeout <= LONGEST_TIMEOUT:
        yield "timeout", "must be more than nothing and at most 30s", "Write it like 10s."
    if channel.repository is not None and not _REPOSITORY.fullmatch(channel.repository):
        yield "repository", "is not owner/name", 'Write it like "acme/churn".'
    for key, addresses in (("sender", (channel.sender,)), ("to", channel.to)):
        for address in addresses:
            if address and variable_of(address) is None and not _ADDRESS.fullmatch(address):
                yield key, f"'{address}' is not a mail address", 'Write it like "ops@example.org".'
    if channel.password is not None and channel.security == "none":
        yield "security", "a password would travel in the clear", "Use starttls or tls."
    if (channel.user is None) != (channel.password is None):
        yield "user", "user and password belong together", "Give both or neither."


def _key_faults(channel: Notify) -> Iterator[tuple[str, str, str]]:
    if channel.kind not in KINDS:
        return  # of a plug-in, which knows for itself
    needed, taken = KINDS[channel.kind]
    known = (*COMMON, *needed, *taken)
    for key in Notify.__struct_fields__:
        given = getattr(channel, key) != getattr(_DEFAULTS, key)
        if key in needed and not given:
            yield key, f"kind '{channel.kind}' needs it", f"Add {key}."
        if given and key not in known:
            keys = ", ".join((*needed, *taken))
            yield key, f"kind '{channel.kind}' does not take it", f"It takes {keys}."


def _secret_faults(channel: Notify) -> Iterator[tuple[str, str, str]]:
    secret = (*SECRETS, "url") if channel.kind == "slack" else SECRETS
    for key in secret:
        value = getattr(channel, key)
        if value is not None and variable_of(value) is None:
            name = f"{channel.channel}_{key}".upper().replace("-", "_").replace(".", "_")
            fix = f'Write {key} = "${name}" and set that environment variable; renew the secret.'
            yield key, "a secret must not stand in the file", fix


def _url_faults(channel: Notify) -> Iterator[tuple[str, str, str]]:
    if channel.url is None or variable_of(channel.url) is not None:
        return
    if channel.kind == "slack":
        return  # it is a secret, and said to be one
    fault = url_fault(channel.url, signed=channel.kind == "webhook")
    if fault:
        yield "url", fault, "Write it like https://example.org/hook, or name a $VARIABLE."


def url_fault(url: str, *, signed: bool = False) -> str:
    """What is wrong with an address, without repeating it; empty when nothing is.

    Args:
        url: the address.
        signed: what goes there is signed and holds no secret, so that http will do.

    >>> url_fault("http://example.org")
    'secrets would travel in the clear; use https'
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return "is not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password"
    if parts.scheme == "http" and not signed and host not in ("127.0.0.1", "localhost", "::1"):
        return "secrets would travel in the clear; use https"
    return ""
