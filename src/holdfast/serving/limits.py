"""What one caller, one request and all of them together may cost the server."""

from __future__ import annotations

import difflib
import os
import re
import resource
from collections.abc import Iterable, Mapping
from typing import Annotated, get_type_hints

import msgspec
from msgspec import Meta

from holdfast.errors import UsageError

PREFIX = "HOLDFAST_LIMIT_"
_RESERVED = 256  # descriptors for the spool, libraries and the control plane
_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(KiB|MiB|GiB|)")


def _bytes(meaning: str) -> Meta:
    return Meta(gt=0, description=meaning, extra={"unit": "bytes"})


def _count(meaning: str) -> Meta:
    return Meta(gt=0, description=meaning)


def _seconds(meaning: str) -> Meta:
    return Meta(gt=0, description=meaning, extra={"unit": "seconds"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on input; each is checked before the memory it bounds is taken."""

    body: Annotated[int, _bytes("a request body as sent")] = 6 * 2**20
    unpacked: Annotated[int, _bytes("a request body after gzip or deflate was undone")] = 24 * 2**20
    bodies: Annotated[
        int, _bytes("all large bodies held at once; further ones are told to come back")
    ] = 256 * 2**20
    rows: Annotated[int, _count("rows of one request")] = 10_000
    head: Annotated[int, _bytes("request line and headers")] = 32 * 2**10
    headers: Annotated[int, _count("headers of one request")] = 100
    pipelined: Annotated[int, _count("requests waiting behind the first on one connection")] = 16
    connections: Annotated[
        int, _count("open at once in one process; above, who has waited longest is closed")
    ] = 16_384
    in_flight: Annotated[
        int, _count("requests being answered at once; more are told to come back")
    ] = 256
    head_seconds: Annotated[float, _seconds("longest the head of a request may take")] = 10.0
    body_seconds: Annotated[float, _seconds("longest a body may take after its head")] = 30.0
    write_seconds: Annotated[float, _seconds("longest a caller may leave an answer unread")] = 30.0
    keep_alive_seconds: Annotated[float, _seconds("longest an idle connection stays open")] = 75.0
    deadline_seconds: Annotated[
        float, _seconds("longest a whole request may wait until it is scored; then it is refused")
    ] = 2.0
    # Handing a small request to a thread costs more than scoring it. Native models have a thread of
    # their own; see holdfast.serving.batches.
    inline_rows: Annotated[
        int, Meta(ge=0, description="requests up to this size are scored in the event loop")
    ] = 256
    batch_rows: Annotated[
        int, _count("rows of several requests that a native model scores together at most")
    ] = 256
    inline_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="bodies up to this size are parsed in the event loop",
            extra={"unit": "bytes"},
        ),
    ] = 256 * 2**10


def read_limits(
    given: Iterable[str] = (), environ: Mapping[str, str] = os.environ, base: Limits | None = None
) -> Limits:
    """The limits of a server.

    Args:
        given: ``name=value`` each, as of ``--limit``; they come before the environment.
        environ: ``HOLDFAST_LIMIT_NAME`` for each.
        base: what holds where nothing is said.

    Raises:
        UsageError: on an unknown name or a value out of range.

    >>> read_limits(["rows=5"], {"HOLDFAST_LIMIT_BODY": "1.5MiB"}).body
    1572864
    """
    chosen = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise _wrong(f"'{text}' is not of the form name=value")
        chosen[name] = value
    values = {name: _number(name, value) for name, value in chosen.items()}
    try:
        return msgspec.convert(
            {**msgspec.structs.asdict(base or Limits()), **values}, Limits, strict=True
        )
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None


def _number(name: str, text: str) -> int | float:
    kinds = get_type_hints(Limits)  # without the bounds
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        raise _wrong(f"there is no limit '{name}'", f"Did you mean '{near[0]}'?" if near else "")
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise _wrong(f"'{text}' is no number for the limit '{name}'")
    value = float(found[1]) * _UNITS[found[2]]
    return value if kinds[name] is float else int(value)


def format_size(size: int) -> str:
    """As :func:`read_limits` reads it.

    >>> format_size(6 * 2**20)
    '6MiB'
    """
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "") if size % _UNITS[unit] == 0)
    return f"{size // _UNITS[unit]}{unit}"


def _wrong(message: str, fix: str = "") -> UsageError:
    return UsageError("serve.limit", message, fix or "docs/reference/limits.md lists all limits.")


def raise_descriptors() -> int:
    """Lets this process open as many files as it may; returns how many.

    A connection is a file: the usual soft limit of 1,024 would be reached by a thousand callers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 2**20
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def most_connections(limits: Limits, descriptors: int) -> int:
    """How many connections a process may hold, so that it never runs out of descriptors.

    >>> most_connections(Limits(), 1024)
    768
    """
    return max(1, min(limits.connections, descriptors - _RESERVED))
