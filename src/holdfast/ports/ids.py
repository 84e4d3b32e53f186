"""Identifiers."""

from __future__ import annotations

import os


def new_id(prefix: str) -> str:
    """A random, unguessable id such as ``rel-5f0c…`` (96 bits).

    >>> new_id("rel").startswith("rel-")
    True
    """
    return f"{prefix}-{os.urandom(12).hex()}"
