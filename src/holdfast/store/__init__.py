"""SQL and blob storage: ``Store`` over a ``Database``, and ``LocalBlobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.store.store import Store

__all__ = ["Store"]


def __getattr__(name: str) -> Any:
    """Imports SQLAlchemy only for those who use the database; blobs do not."""
    if name == "Store":
        from holdfast.store.store import Store

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
