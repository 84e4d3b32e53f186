"""The routes that the servers of this home keep; apart, so that a recorder imports no server."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from holdfast.records import Route


def routes_known(home: Path) -> Sequence[Route]:
    """The routes that servers of this home keep for a restart, and those of one named bundle."""
    folder = home / "serve"
    found: list[Route] = []
    for file in (*sorted(folder.glob("fixed*.json")), *sorted(folder.glob("routes*.json"))):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found.extend(msgspec.json.decode(file.read_bytes(), type=list[Route]))
    return found
