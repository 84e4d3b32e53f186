"""What goes into a model and what comes out."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record

ColumnType = Literal["double", "long", "boolean", "string", "datetime", "vector"]


class Field(Record, frozen=True, kw_only=True):
    """One column.

    Args:
        name: of the column.
        type: MLflow's name of the type; ``vector`` is a list of ``width`` numbers, which is
            ``Array(double)`` in MLflow.
        nullable: whether it may be null; a vector is null as a whole.
        width: numbers in a vector; 0 for every other type.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    width: int = 0

    @property
    def kind(self) -> str:
        """The type in words.

        >>> Field(name="a", type="vector", width=3).kind
        'vector of 3 numbers'
        """
        return f"vector of {self.width} numbers" if self.type == "vector" else self.type


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
