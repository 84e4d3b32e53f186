"""Opening bundles: what may be loaded, and that it answers as it did."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.bundle.manifest import bundle_digest
from holdfast.bundle.predictor import Decoder, check_golden, labels_array, open_bundle
from holdfast.errors import BundleError
from holdfast.records import Signature


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_a_pickle_is_refused_without_the_key_and_nothing_of_it_runs(
    seal: Any, tmp_path: Path, key: bytes
) -> None:
    mark = tmp_path / "exploded"
    folder = seal(estimator=pickle.dumps(Bomb(mark)), key=b"somebody else's key, thirty-two b")
    for owner in (None, key):
        with pytest.raises(BundleError) as caught:
            open_bundle(folder, key=owner)
        assert caught.value.code == "bundle.pickle_refused"
        assert "HOLDFAST_ALLOW_PICKLE" in caught.value.fix
    assert not mark.exists()


@pytest.mark.parametrize("how", ["key", "allowed"])
def test_a_pickle_is_read_with_the_key_or_when_allowed(
    how: str, seal: Any, key: bytes, rows: Any
) -> None:
    folder = seal()
    options: dict[str, Any] = {"key": key} if how == "key" else {"allow_pickle": True}
    predictor = open_bundle(folder, digest=bundle_digest(folder), **options)
    assert predictor.kind == "native"
    outputs = predictor.predict(rows, 3)
    assert outputs.prediction.tolist() == ["no", "yes", "yes"]
    np.testing.assert_allclose(outputs.score, [0.0, 0.9, 0.5])


def test_a_compiled_bundle_needs_no_key(seal: Any, rows: Any) -> None:
    predictor = open_bundle(seal("onnx"), threads=2)
    assert predictor.kind == "onnx"
    outputs = predictor.predict({"a": np.array([0.0, 0.9]), "b": np.array([1, 2])}, 2)
    assert outputs.prediction.tolist() == ["no", "yes"]
    assert outputs.probability is not None
    assert outputs.probability.dtype == np.float64


@pytest.mark.parametrize("kind", ["onnx", "native"])
def test_golden_rows_are_answered_as_recorded(kind: str, seal: Any, key: bytes) -> None:
    folder = seal(kind)
    assert check_golden(open_bundle(folder, key=key), folder) == 2


def test_golden_rows_betray_a_changed_library(seal: Any, key: bytes) -> None:
    folder = seal(estimator=pickle.dumps(_Wrong()))
    with pytest.raises(BundleError, match="1 of 2 golden rows"):
        check_golden(open_bundle(folder, key=key), folder)


class _Wrong:
    def predict_proba(self, rows: Any) -> Any:
        return np.array([[1.0, 0.0], [0.2, 0.8]])


def test_no_answer_is_better_than_nan(seal: Any) -> None:
    predictor = open_bundle(seal("onnx"))
    with pytest.raises(BundleError, match="not finite"):
        predictor.predict({"a": np.array([np.nan]), "b": np.array([1])}, 1)


def test_a_null_where_there_is_none_fails_and_is_not_taken_for_a_number(seal: Any) -> None:
    predictor = open_bundle(seal("onnx"))
    with pytest.raises(BundleError, match="could not score"):
        predictor.predict({"a": np.array([0.5]), "b": np.array([np.nan])}, 1)


def test_probabilities_are_clipped_and_decisions_are_at_a_half() -> None:
    signature = Signature(inputs=(), outputs=(), classes=(True, False), positive=0)
    outputs = Decoder("binary", signature).probabilities(
        np.array([[1.0000001, 0.0], [0.5, 0.5], [0.49, 0.51]], dtype=np.float32)
    )
    assert outputs.prediction.tolist() == [True, True, False]
    assert outputs.score.max() == 1.0


def test_multiclass_takes_the_likeliest() -> None:
    signature = Signature(inputs=(), outputs=(), classes=(10, 20, 30))
    outputs = Decoder("multiclass", signature).probabilities(np.array([[0.2, 0.5, 0.3]]))
    assert outputs.prediction.tolist() == [20]
    assert outputs.score.shape == (1, 3)


def test_labels_keep_their_type() -> None:
    assert labels_array((1, 2)).tolist() == [1, 2]
    assert labels_array((False, True)).tolist() == [False, True]
    assert labels_array((1, "a")).tolist() == [1, "a"]


def test_a_server_imports_neither_pandas_nor_scikit_learn_for_a_compiled_bundle(
    seal: Any,
) -> None:
    script = """
import sys
from holdfast.bundle.predictor import check_golden, open_bundle
check_golden(open_bundle(sys.argv[1]), sys.argv[1])
heavy = {"pandas", "polars", "sklearn", "mlflow", "scipy", "skl2onnx", "onnx"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(seal("onnx"))], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
