"""Columns whose values make groups of rows, and those that cannot."""

from __future__ import annotations

import polars as pl

from holdfast.errors import SpecError
from holdfast.spec import Spec


def check_groups(frame: pl.DataFrame, spec: Spec) -> None:
    """Refuses groups by a column of vectors: hardly any two rows have the same one.

    Args:
        frame: rows of :func:`holdfast.data.sources.read`.
        spec: what is declared.

    Raises:
        SpecError: ``spec.vector_groups``.
    """
    groups = {
        "gate.slices": spec.gate.slices,
        "monitor.slices": spec.monitor.slices,
        "gate.fairness": [line.column for line in spec.gate.fairness],
    }
    for key, names in groups.items():
        for name in names:
            if isinstance(frame.schema.get(name), pl.Array):
                raise SpecError(
                    "spec.vector_groups",
                    f"'{key}': '{name}' holds lists of numbers, which make no groups",
                    "Name a column of few values, such as a category.",
                )
