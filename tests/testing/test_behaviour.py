"""The helpers pass what is right, and say which rows were wrong."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from holdfast.testing import check_direction, check_invariance, check_minimum

ROWS = [{"size": float(i), "kind": "east"} for i in range(5)]


class Model:
    """The probability grows with the size, and a kind of its own adds to it."""

    def predict(self, rows: Any) -> pd.DataFrame:
        frame = pd.DataFrame(rows)
        chance = frame["size"] / 10 + 0.3 * (frame["kind"] == "odd")
        return pd.DataFrame({"prediction": chance >= 0.25, "probability": chance})


def test_what_holds_passes() -> None:
    check_invariance(Model(), ROWS, {"kind": "west"})
    check_invariance(Model(), pd.DataFrame(ROWS), {"kind": "odd"}, within=0.31)
    check_invariance(Model(), ROWS, {"size": lambda size: size + 0.1}, column="prediction")
    check_direction(Model(), ROWS, {"size": lambda size: size + 2}, "up", by=0.19)
    check_direction(Model(), ROWS, lambda frame: frame.assign(size=-1.0), "down")
    check_minimum(Model(), [(ROWS[0], False), (ROWS[4], True)])
    check_minimum(Model(), [(ROWS[0], True), (ROWS[4], True)], share=0.5)


def test_what_does_not_hold_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"5 of 5 answers do not stay within 0.1.*became 0.3"):
        check_invariance(Model(), ROWS, {"kind": "odd"}, within=0.1)
    with pytest.raises(AssertionError, match="answers do not stay the same"):
        check_invariance(Model(), ROWS, {"kind": "odd"}, column="prediction")
    with pytest.raises(AssertionError, match="5 of 5 answers do not go down"):
        check_direction(Model(), ROWS, {"kind": "odd"}, "down")
    with pytest.raises(AssertionError, match=r"by 0\.5 on average, but went by 0\.3"):
        check_direction(Model(), ROWS, {"kind": "odd"}, "up", by=0.5)
    with pytest.raises(AssertionError, match="1 of 2 simple cases"):
        check_minimum(Model(), [(ROWS[0], True), (ROWS[4], True)])


def test_a_test_that_could_not_fail_is_refused() -> None:
    with pytest.raises(AssertionError, match="changes nothing"):
        check_invariance(Model(), ROWS, {"kind": "east"})
    with pytest.raises(AssertionError, match="no column 'knid'"):
        check_invariance(Model(), ROWS, {"knid": "west"})
    with pytest.raises(AssertionError, match="no rows"):
        check_direction(Model(), [], {"kind": "odd"}, "up")
