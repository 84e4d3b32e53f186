"""Values that are written into a Dockerfile.

A bundle may come from anybody, and a name that ends a line could add an instruction of its own.
So no value is quoted or escaped: what has a character with a meaning in a Dockerfile, a shell or
YAML is refused.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from holdfast.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/:@+-]{0,511}")


def plain(name: str, value: object) -> str:
    """The value as text, if it means nothing but itself.

    >>> plain("base image", "python:3.11-slim")
    'python:3.11-slim'

    Raises:
        UsageError: when it has another character than letters, digits and ``._/:@+-``.
    """
    text = str(value)
    if not _PLAIN.fullmatch(text):
        raise UsageError(
            "render.unsafe_value",
            f"the {name} has characters that cannot be written into a Dockerfile",
            "Use letters, digits and . _ / : @ + - only.",
        )
    return text


def public_address(name: str, value: str) -> str:
    """An address that is no secret: no password and no signed query in it.

    Raises:
        UsageError: when it may hold a secret, or is no ``https``, ``http`` or ``file`` address.
    """
    parts = urlsplit(value)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            "render.secret_address",
            f"the {name} holds a user, a query or a fragment, and an image keeps no secret",
            "Leave it out here and give it at start, in HOLDFAST_SERVE_BUNDLE.",
        )
    if parts.scheme not in ("https", "http", "file"):
        raise UsageError(
            "render.address",
            f"the {name} is no https, http or file address",
            "Write it like https://models.internal/churn/3.",
        )
    return plain(name, value)
