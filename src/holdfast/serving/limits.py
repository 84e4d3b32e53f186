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

Bytes = Annotated[int, Meta(gt=0, extra={"unit": "bytes"})]
Count = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, extra={"unit": "seconds"})]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on input; each is checked before the memory it bounds is taken.

    Args:
        body: bytes of a request body as sent.
        unpacked: bytes of a request body after Content-Encoding was undone.
        bodies: bytes of all large bodies held at once; further ones are told to come back.
        rows: rows of one request.
        head: bytes of request line and headers.
        headers: number of headers.
        pipelined: requests waiting on one connection behind the one being answered.
        connections: open at once in one process; above, who has waited longest is closed.
        in_flight: requests being answered at once; more are told to come back.
        head_seconds: longest the head of a request may take to arrive.
        body_seconds: longest a body may take to arrive after its head.
        write_seconds: longest a caller may leave an answer unread.
        keep_alive_seconds: longest an idle connection stays open.
        deadline_seconds: longest a request may wait before it is scored; see
            :mod:`holdfast.serving.admission`.
        inline_rows: requests up to this size are scored in the event loop's own thread. Handing a
            small request to a thread costs more than scoring it, and scikit-learn gets slower in
            threads.
        inline_bytes: bodies up to this size are parsed in the event loop's own thread.
    """

    body: Bytes = 6 * 2**20
    unpacked: Bytes = 24 * 2**20
    bodies: Bytes = 256 * 2**20
    rows: Count = 10_000
    head: Bytes = 32 * 2**10
    headers: Count = 100
    pipelined: Count = 16
    connections: Count = 16_384
    in_flight: Count = 256
    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 30.0
    write_seconds: Seconds = 30.0
    keep_alive_seconds: Seconds = 75.0
    deadline_seconds: Seconds = 2.0
    inline_rows: Annotated[int, Meta(ge=0)] = 256
    inline_bytes: Annotated[int, Meta(ge=0, extra={"unit": "bytes"})] = 256 * 2**10


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
    kinds = get_type_hints(Limits)
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        raise _wrong(f"there is no limit '{name}'", f"Did you mean '{near[0]}'?" if near else "")
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise _wrong(f"'{text}' is no number for the limit '{name}'")
    value = float(found[1]) * _UNITS[found[2]]
    return value if kinds[name] is float else int(value)


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
