"""Content kept by name: dataset files and bundles."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """Immutable bytes by key; keys are relative POSIX paths."""

    def put(self, key: str, data: bytes) -> None:
        """Stores atomically; storing the same key again is no change."""
        ...

    def get(self, key: str) -> bytes:
        """Reads back.

        Raises:
            NotFoundError: when there is no such key.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        ...

    def keys(self, prefix: str = "") -> Iterable[str]:
        """All keys that begin with ``prefix``, sorted."""
        ...

    def local(self, key: str) -> Path:
        """A local file with the content, fetched if need be.

        Raises:
            NotFoundError: when there is no such key.
        """
        ...
