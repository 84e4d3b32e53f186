"""The MLflow loader module, called as MLflow calls it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from holdfast.bundle.pyfunc import PyfuncModel, _load_pyfunc
from holdfast.errors import BundleError

ROWS = pd.DataFrame({"a": [0.1, 0.9], "b": [1, 2], "more": ["x", "y"]}, index=[7, 8])


def test_a_compiled_bundle_needs_nothing(seal: Any) -> None:
    answer = _load_pyfunc(str(seal("onnx"))).predict(ROWS)
    assert answer["prediction"].tolist() == ["no", "yes"]
    assert answer["probability"].tolist() == pytest.approx([0.1, 0.9])
    assert answer.index.tolist() == [7, 8]


def test_a_pickle_needs_the_key_or_the_operators_word(
    seal: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    folder = seal()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_KEY_FILE", raising=False)
    monkeypatch.delenv("HOLDFAST_HOME", raising=False)
    with pytest.raises(BundleError, match="pickle"):
        _load_pyfunc(str(folder))
    monkeypatch.setenv("HOLDFAST_ALLOW_PICKLE", "1")
    assert isinstance(_load_pyfunc(str(folder)), PyfuncModel)
    assert len(_load_pyfunc(str(folder)).predict(ROWS)) == 2
