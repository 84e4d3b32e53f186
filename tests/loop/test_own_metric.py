"""A metric of the project's own, from training to the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import SpecError, UserCodeError
from holdfast.loop.gating import gate_now
from holdfast.loop.pipeline import train_now

CODE = """

def cost(y_true, y_pred, rows, miss=5.0):
    assert len(rows) == len(y_true) and "known" in rows
    return np.where(y_true & ~y_pred, miss, np.where(~y_true & y_pred, 1.0, 0.0))


def right(y_true, y_pred):
    return (y_true == y_pred).mean()


def raises(y_true, y_proba):
    raise ValueError("no price today")
"""


def _name(home: Any, text: str) -> None:
    path = home.project / "tiny.py"
    path.write_text(path.read_text() + CODE)
    home.edit('metric = "roc_auc"\nmin = 0.6\nmargin = 0.05', text)


def test_a_value_of_each_row_is_floor_and_comparison(live: Any) -> None:
    _name(live, 'metric = "tiny:cost"\nbetter = "lower"\nmin = -2.0\nmargin = 0.1')
    verdict = gate_now(live.container, "tiny", 2)
    floor, champion = (
        next(check for check in verdict.checks if check.name == name)
        for name in ("metric.min", "champion")
    )
    assert (floor.outcome, champion.outcome) == ("pass", "pass")
    assert floor.sentence.startswith("neg_tiny:cost is -0.")
    assert "in all (95 % bounds" in floor.sentence
    assert -2 < floor.low < floor.value < floor.high < 0
    assert champion.value == 0, "version 2 has the bundle of version 1"
    assert -0.1 <= champion.low < 0
    live.edit("min = -2.0", "min = -0.01")
    assert gate_now(live.container, "tiny", 2).outcome == "fail"


def test_it_is_measured_of_a_new_version(live: Any) -> None:
    _name(live, 'metric = "tiny:right"\nbetter = "higher"\nmin = 0.6\nmargin = 0.05')
    version = train_now(live.container)
    names = [metric.name for metric in version.metrics]
    assert names[0] == "tiny:right"
    (built_in,) = (metric for metric in version.metrics if metric.name == "accuracy")
    assert version.metrics[0].value == pytest.approx(built_in.value)
    assert version.metrics[0].low == pytest.approx(built_in.low, abs=0.01)
    assert gate_now(live.container, "tiny").outcome == "pass"


def test_its_fault_is_the_projects_and_no_verdict(live: Any) -> None:
    _name(live, 'metric = "tiny:raises"\nbetter = "higher"')
    with pytest.raises(UserCodeError) as error:
        gate_now(live.container, "tiny", 2)
    assert error.value.code == "user.raised"
    assert "no price today" in error.value.message
    assert "tiny.py" in error.value.traceback
    done = live.holdfast("gate", "2", status=1)
    assert "no price today" in done.stderr
    assert "tiny.py" in done.stderr
    live.edit("tiny:raises", "tiny:rases")
    done = live.holdfast("check", status=1)
    assert "Did you mean 'raises'?" in done.stderr


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('metric = "tiny:right"', "gate.better"),
        ('metric = "roc_auc"\nbetter = "higher"', "gate.better"),
        ('metric = "tiny:"\nbetter = "higher"', "gate.metric"),
        ('metric = "roc_auc"\n[monitor]\nmetrics = ["tiny:right"]', "monitor.metrics"),
    ],
)
def test_what_the_spec_refuses(trained: Any, text: str, where: str) -> None:
    trained.edit('metric = "roc_auc"\nmin = 0.6\nmargin = 0.05', text)
    with pytest.raises(SpecError) as error:
        trained.container.spec("tiny")
    assert f"'{where}'" in error.value.message
    assert error.value.fix
