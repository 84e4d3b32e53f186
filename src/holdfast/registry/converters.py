"""The edge to skl2onnx and onnxmltools: what they must be told, and what is wrong with them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from holdfast.bundle.onnx import NULL_TEXT
from holdfast.registry.doubles import imputing

_NAN_CODE = -(1 << 40)
_lock = threading.Lock()
_users = 0
_originals: list[tuple[Any, str, Any]] = []


@contextmanager
def mended() -> Iterator[None]:
    """Inside, skl2onnx's nodes are mended as they are made; see :func:`_mend`,
    :func:`_trees` and :func:`~holdfast.registry.doubles.imputing`.

    Nested and parallel use is safe; the last one out restores.
    """
    global _users
    from skl2onnx.common._container import ModelComponentContainer
    from skl2onnx.common._registration import get_converter
    from skl2onnx.operator_converters import decision_tree, gradient_boosting, random_forest

    with _lock:
        if _users == 0:
            _replace(ModelComponentContainer, "add_node", _mending)
            _replace(get_converter("SklearnSimpleImputer"), "_fct", imputing)
            for module in (decision_tree, gradient_boosting, random_forest):
                _replace(module, "add_tree_to_attribute_pairs", _trees)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            while _users == 0 and _originals:
                setattr(*_originals.pop())


def _replace(owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    _originals.append((owner, name, original))
    setattr(owner, name, around(original))


def _trees(add_tree: Any) -> Any:
    """A tree that learnt where nulls go must say so: skl2onnx sends them all to the right."""

    def wrapped(attributes: dict[str, list[Any]], classifier: Any, tree: Any, *args: Any,
                **named: Any) -> None:  # fmt: skip
        tracks = attributes["nodes_missing_value_tracks_true"]
        before = len(tracks)
        add_tree(attributes, classifier, tree, *args, **named)
        tracks[before:] = [int(left) for left in tree.missing_go_to_left]

    return wrapped


def _mending(add_node: Any) -> Any:
    def wrapped(self: Any, kind: str, *args: Any, **attributes: Any) -> Any:
        return add_node(self, kind, *args, **_mend(kind, attributes))

    return wrapped


def _mend(kind: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Corrects a node's attributes.

    - scikit-learn 1.9's histogram trees have ``uint8`` flags; onnx takes only plain integers.
    - A null category is written as the text ``nan``; it must be the text that nulls are fed as.
    - OrdinalEncoder turns nulls into NaN, which skl2onnx's integer table cannot hold.
    """
    mended = {name: _integers(value) for name, value in attributes.items()}
    for name in ("keys_strings", "cats_strings"):
        if name in mended:
            texts = [t.decode() if isinstance(t, bytes) else str(t) for t in mended[name]]
            mended[name] = [NULL_TEXT if text == "nan" else text for text in texts]
    ordinal = str(mended.get("name", "")).startswith("LabelEncoder")
    if kind == "LabelEncoder" and ordinal and {"values_int64s", "values_floats"} & mended.keys():
        codes = np.array(mended.pop("values_int64s", mended.get("values_floats")))
        values = np.where(codes == _NAN_CODE, np.nan, codes).astype(np.float32)
        mended["values_floats"] = values.tolist()
        if "default_int64" in mended:
            mended["default_float"] = float(mended.pop("default_int64"))
    return mended


def _integers(value: Any) -> Any:
    whole = (bool, np.bool_, np.integer)
    if isinstance(value, list) and any(isinstance(item, whole) for item in value):
        return [int(item) if isinstance(item, whole) else item for item in value]
    return value


def prepared(estimator: Any) -> Any:
    """A copy that the converters take, to be converted inside :func:`mended`.

    Raises:
        ValueError: when a category is spelled like the null of another.
    """
    estimator = copy.deepcopy(estimator)
    for part in parts_of(estimator):
        if hasattr(part, "get_booster"):
            # onnxmltools wants f0, f1 and so on, and no other types than numbers.
            part.get_booster().feature_names = None
            part.get_booster().feature_types = None
        if getattr(part, "categories_", None) is not None:
            _mark_null_categories(part)
        if hasattr(part, "flatten_transform"):
            part.flatten_transform = False  # of voting: the converter takes no other
        statistics = getattr(part, "statistics_", None)
        if statistics is not None and np.asarray(statistics).dtype.kind in "OUT":
            part.missing_values = NULL_TEXT
    return estimator


def _mark_null_categories(encoder: Any) -> None:
    for index, categories in enumerate(encoder.categories_):
        if getattr(categories, "dtype", np.dtype(float)).kind != "O":
            continue
        if "nan" in [item for item in categories if isinstance(item, str)]:
            raise ValueError("a category is spelled 'nan', which cannot be told from a null")
        nulls = [item is None or item != item for item in categories]
        encoder.categories_[index] = np.where(nulls, np.nan, categories).astype(object)
    missing = getattr(encoder, "encoded_missing_value", None)
    if missing is not None and np.isnan(missing):
        encoder.encoded_missing_value = _NAN_CODE


def parts_of(value: Any) -> Iterator[Any]:
    """The estimator and all estimators inside it, however deep."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from parts_of(item)
    elif isinstance(value, dict):
        yield from parts_of(list(value.values()))
    elif hasattr(value, "get_params") and hasattr(value, "__dict__"):
        yield value
        for item in vars(value).values():
            yield from parts_of(item)


def register_boosters(estimator: Any) -> dict[str, int] | None:
    """Tells skl2onnx how to convert the XGBoost and LightGBM wrappers among the steps.

    Returns:
        The opsets to aim at; ``None`` for the converter's own choice.

    Raises:
        ImportError: when onnxmltools is missing.
    """
    from skl2onnx import get_latest_tested_opset_version

    roots = {type(step).__module__.partition(".")[0] for step in parts_of(estimator)}
    if "xgboost" in roots:
        _register_xgboost()
    if "lightgbm" in roots:
        _register_lightgbm()
    if roots & {"xgboost", "lightgbm"}:
        # onnxmltools refuses newer versions of the tree operators.
        return {"": get_latest_tested_opset_version(), "ai.onnx.ml": 3}
    return None


def _register_xgboost() -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

    classes = shapes.calculate_linear_classifier_output_shapes
    values = shapes.calculate_linear_regressor_output_shapes
    for kind in (XGBClassifier, XGBRFClassifier):
        options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
        name = "Xgboost" + kind.__name__
        update_registered_converter(kind, name, classes, convert_xgboost, options=options)
    for kind in (XGBRegressor, XGBRFRegressor):
        update_registered_converter(kind, "Xgboost" + kind.__name__, values, convert_xgboost)


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    update_registered_converter(
        LGBMClassifier, "LightGbmLGBMClassifier",
        shapes.calculate_linear_classifier_output_shapes, convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )  # fmt: skip
    update_registered_converter(
        LGBMRegressor, "LightGbmLGBMRegressor",
        shapes.calculate_linear_regressor_output_shapes, convert_lightgbm,
        options={"split": None},
    )  # fmt: skip


def first_step(estimator: Any) -> Any:
    """What sees the frame first."""
    while getattr(estimator, "steps", None):
        estimator = estimator.steps[0][1]
    return estimator
