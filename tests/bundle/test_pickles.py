from __future__ import annotations

import os
import pickle
import pickletools
import subprocess

import cloudpickle
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast.bundle.pickles import UNKNOWN, imports_of
from holdfast.errors import BundleError
from holdfast.gate.artefact import unsafe


class Bomb:
    def __init__(self, call, *args):
        self.call, self.args = call, args

    def __reduce__(self):
        return self.call, self.args


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("call", "name"),
    [(os.system, "system"), (eval, "eval"), (subprocess.check_output, "check_output")],
)
def test_every_protocol_is_read_and_nothing_runs(tmp_path, protocol, call, name):
    mark = tmp_path / "ran"
    data = pickle.dumps(Bomb(call, f"touch {mark}"), protocol)
    found = imports_of(data)
    assert any(each.endswith(f".{name}") and unsafe(each) for each in found)
    assert not mark.exists()


def test_a_real_estimator_is_not_suspected():
    model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=2))
    model.fit([[float(i)] for i in range(60)], [i % 2 for i in range(60)])
    found = imports_of(cloudpickle.dumps(model))
    assert "sklearn.pipeline.Pipeline" in found
    assert [name for name in found if unsafe(name)] == []


def test_one_inside_another_and_one_after_another():
    inner = pickle.dumps(Bomb(os.system, "true"))
    assert any(unsafe(name) for name in imports_of(pickle.dumps([1, inner])))
    assert any(unsafe(name) for name in imports_of(pickle.dumps([1]) + inner))


def test_a_name_that_is_not_written_plainly_counts_as_unknown():
    # The module's name is put together with DUP, so no text stands where one must.
    data = b"\x80\x04\x8c\x02os2\x93."
    assert [code.name for code, *_ in pickletools.genops(data)][2] == "DUP"
    assert imports_of(data) == {UNKNOWN}
    assert unsafe(UNKNOWN)


@pytest.mark.parametrize("data", [b"\x80\x04", b"no pickle at all", b"\x80\x04\x95"])
def test_what_is_no_pickle(data):
    with pytest.raises(BundleError):
        imports_of(data)
