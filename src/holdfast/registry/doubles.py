"""Steps in double precision, for models whose splits lie on what a step before them has computed.

A scaler moves the values of a column; a split of a tree may lie on one of the moved values, and
computing the move in float32 puts rows on its other side. So everything before the last step is
computed as the original does, in doubles, and rounded once: rounding keeps the order of values, and
equal ones equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def narrowed(form: Any) -> Any | None:
    """A form of a pipeline whose last step is handed float32, however exact those before it are.

    Returns:
        The form, sharing the fitted steps; ``None`` for what is no pipeline.
    """
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    if not isinstance(form, Pipeline):
        return None
    *before, (name, last) = form.steps
    inner = narrowed(last)
    cast = [] if inner is not None else [("narrow", CastTransformer(dtype=np.float32))]
    return Pipeline([*before, *cast, (name, last if inner is None else inner)])


def imputing(convert: Any) -> Any:
    """skl2onnx's converter of ``SimpleImputer``, which makes a node that has no doubles."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.operator_converters.common import concatenate_variables

    def wrapped(scope: Any, operator: Any, container: Any) -> None:
        imputer = operator.raw_operator
        values = np.asarray(imputer.statistics_)
        doubles = isinstance(operator.inputs[0].type, DoubleTensorType)
        if not doubles or values.dtype.kind != "f" or not _fills_nan(imputer, values):
            convert(scope, operator, container)
            return
        joined = concatenate_variables(scope, operator.inputs, container)
        gaps, fill = (scope.get_unique_variable_name(name) for name in ("gaps", "fill"))
        container.add_initializer(fill, TensorProto.DOUBLE, [1, len(values)], values.tolist())
        container.add_node("IsNaN", [joined], [gaps])
        container.add_node("Where", [gaps, fill, joined], [operator.outputs[0].full_name])

    return wrapped


def _fills_nan(imputer: Any, values: Any) -> bool:
    """Whether it fills each NaN, and each column has something to fill it with."""
    missing = imputer.missing_values
    return isinstance(missing, float) and np.isnan(missing) and not np.isnan(values).any()
