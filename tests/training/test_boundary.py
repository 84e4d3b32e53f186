from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from holdfast.errors import UserCodeError
from holdfast.training.boundary import find_callable, guarded

FILES = {
    "bound_shop": "THREE = 3\ndef train(frame): ...\ndef _hidden(): ...\n",
    "bound_needy": "import no_such_package\n",
    "bound_broken": "def train(frame:\n",
    "bound_script": "import sys\nsys.exit(1)\n",
    "bound_raising": "def at_import():\n    1 / 0\nat_import()\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name, None)


def test_a_callable_is_found(root: Path) -> None:
    assert find_callable("bound_shop:train", root).__name__ == "train"


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("bound_shop:trian", "user.no_such_callable", "Did you mean 'train'"),
        ("bound_shop:zzz", "user.no_such_callable", "It has: train"),
        ("bound_shop:THREE", "user.no_such_callable", "not a callable but int"),
        ("bound_shap:train", "user.import_failed", "no module .* Did you mean 'bound_shop'"),
        ("bound_shop.inner:train", "user.import_failed", "no module 'bound_shop.inner'"),
        ("bound_needy:train", "user.import_failed", "needs 'no_such_package', which is not inst"),
        ("bound_broken:train", "user.import_failed", "SyntaxError"),
        ("bound_raising:train", "user.import_failed", "ZeroDivisionError"),
        ("bound_script:train", "user.exited", "__main__"),
    ],
)
def test_what_cannot_be_found_is_named(root: Path, target: str, code: str, says: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        find_callable(target, root)

    assert caught.value.code == code
    assert re.search(says, str(caught.value))
    assert "boundary.py" not in caught.value.traceback
    assert "importlib" not in caught.value.traceback


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("no"), "user.raised"),
        (KeyboardInterrupt(), "user.raised"),
        (MemoryError(), "user.memory"),
        (SystemExit(3), "user.exited"),
        (UserCodeError("user.other", "known already"), "user.other"),
    ],
)
def test_whatever_is_raised_is_theirs(error: BaseException, code: str) -> None:
    def call() -> None:
        raise error

    with pytest.raises(UserCodeError) as caught:
        guarded("shop:train", call)

    assert caught.value.code == code
    if code != "user.other":
        assert "in call" in caught.value.traceback
        assert "in guarded" not in caught.value.traceback


def test_a_result_passes_through() -> None:
    assert guarded("shop:train", lambda: 3) == 3
