"""Fakes, factories and pytest helpers, shipped with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.testing.behaviour import check_direction, check_invariance, check_minimum

__all__ = ["check_direction", "check_invariance", "check_minimum"]


def __getattr__(name: str) -> Any:
    # pandas is only needed where rows are tested.
    if name in __all__:
        from holdfast.testing import behaviour

        return getattr(behaviour, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
