"""Holdfast takes a model to production, keeps it working, and knows when it stops."""

from holdfast.errors import HoldfastError
from holdfast.spec import Spec, load_spec

__all__ = ["HoldfastError", "Spec", "load_spec"]
