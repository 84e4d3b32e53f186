"""Identifiers."""

from __future__ import annotations

import os
from collections.abc import Iterator

_BYTES = 12
_AT_ONCE = 128


def new_ids(prefix: str) -> Iterator[str]:
    """Ids as of :func:`new_id`, for one thread; cheaper where thousands a second are wanted.

    Not to be shared with a forked process.

    >>> next(new_ids("p")).startswith("p-")
    True
    """
    size = 2 * _BYTES
    while True:
        digits = os.urandom(_BYTES * _AT_ONCE).hex()
        for place in range(0, len(digits), size):
            yield f"{prefix}-{digits[place : place + size]}"


def new_id(prefix: str) -> str:
    """A random, unguessable id such as ``rel-5f0c…`` (96 bits).

    >>> new_id("rel").startswith("rel-")
    True
    """
    return f"{prefix}-{os.urandom(_BYTES).hex()}"
