from __future__ import annotations

import pytest

from holdfast.gate.artefact import check_artefact


@pytest.mark.parametrize(
    ("names", "outcome", "said"),
    [
        (frozenset(), "pass", "nothing in it is a pickle"),
        (frozenset({"sklearn.tree._tree.Tree", "numpy.dtype"}), "pass", "2 names"),
        (frozenset({"cloudpickle.cloudpickle._make_function"}), "pass", "of the project itself"),
        (frozenset({"posix.system", "numpy.dtype"}), "fail", "posix.system"),
        (frozenset({"builtins.eval", "socket.socket"}), "fail", "2 such names"),
        (frozenset({"?"}), "fail", "?"),
    ],
)
def test_what_loading_would_import(make, names, outcome, said):
    check = check_artefact(make(imports=names))
    assert check.outcome == outcome
    assert said in check.sentence


def test_not_looked_at(make):
    assert check_artefact(make()) is None
