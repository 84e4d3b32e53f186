"""What goes into a model and what comes out."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record

ColumnType = Literal["double", "long", "boolean", "string", "datetime"]


class Field(Record, frozen=True, kw_only=True):
    """One column: its name, MLflow type name, and whether it may be null."""

    name: str
    type: ColumnType
    nullable: bool = True


class Signature(Record, frozen=True, kw_only=True):
    """The columns of a model.

    Args:
        inputs: the features, in the order of training.
        outputs: ``prediction``, and ``probability`` (binary: of the positive class; multiclass:
            one value for each of ``classes``).
        id: name of the column with the caller's own id; accepted in requests, never a feature.
        classes: class labels in the order of the probabilities; empty for regression.
        positive: index in ``classes`` of the positive class, for binary.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    id: str | None = None
    classes: tuple[bool | int | str, ...] = ()
    positive: int = 1
