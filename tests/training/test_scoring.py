"""Metrics of the project's own: how they are called, and what goes wrong in them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest

from holdfast.errors import UserCodeError
from holdfast.statistics.draws import interval_of
from holdfast.training.scoring import Known, score
from holdfast.training.user_code import LocalUserCode

METRICS = '''
import numpy as np

def share(y_true, y_pred):
    return float((y_true & y_pred).sum() / max(y_true.sum(), 1))

def cost(y_true, y_pred, rows, miss=5.0):
    """A miss costs the row's amount, a false alarm one."""
    assert list(rows.columns)[:1] == ["amount"] and "label" in rows.columns
    missed = y_true & ~y_pred
    return np.where(missed, rows["amount"], np.where(~y_true & y_pred, 1.0, 0.0))

def of_classes(y_true, y_pred, y_proba):
    print("CLASSES", sorted(set(y_pred.tolist())), y_proba.shape, flush=True)
    return float((y_true == y_pred).mean())

def of_values(*, y_pred, y_true):
    return (y_true - y_pred).mean()

def writes(y_true, y_proba):
    y_proba[:] = 0
    return float(y_true.mean())

def sometimes(y_true, y_pred):
    return float("nan") if y_true.mean() > 0.46 else 1.0

def raises(y_true, y_pred):
    return deeper()

def deeper():
    raise ValueError("no price today")

def raises_on_draws(y_true, y_pred, seen=[]):
    seen.append(1)
    if len(seen) > 3:
        raise ZeroDivisionError("of a draw")
    return 1.0

def nothing(y_true, y_pred): return float("nan")
def some_nothing(y_true, y_pred): return np.where(y_true, np.nan, 1.0)
def infinite(y_true, y_pred): return float("inf")
def shape(y_true, y_pred): return np.ones((len(y_true), 2))
def short(y_true, y_pred): return np.ones(3)
def text(y_true, y_pred): return "good"
def none(y_true, y_pred): return None
def greedy(y_true, weather): return 1.0
def blind(): return 1.0
def fickle(y_true, y_pred, seen=[]):
    seen.append(1)
    return np.ones(len(y_true)) if len(seen) == 1 else 1.0
'''


MODULE: dict[str, Any] = {}
exec(METRICS, MODULE)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> LocalUserCode:
    root = tmp_path_factory.mktemp("metrics")
    (root / "mine.py").write_text(METRICS)
    return LocalUserCode(root=root, log=root / "log", features=("amount",), label="label")


@pytest.fixture(scope="module")
def held_out() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    return pl.DataFrame({"amount": rng.gamma(4, 10, 150), "label": rng.random(150) < 0.4})


def _chances(rows: pl.DataFrame, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random(rows.height)
    return np.clip(0.4 * rows["label"].to_numpy() + 0.6 * noise, 0, 1)


def _ask(name: str, rows: pl.DataFrame, *scores: np.ndarray, resamples: int = 20, **given):
    given = {"task": "binary", "classes": (False, True), "positive": True} | given
    known = Known(rows, rows["label"].to_numpy(), scores or (_chances(rows, 1),), **given)
    return score(f"mine:{name}", MODULE[name], known, seed=1, resamples=resamples)


def test_one_number_for_all_rows(code, held_out):
    """In the process of the project's code, as the loop asks."""
    scores = [_chances(held_out, seed) for seed in (1, 2)]
    draws = code.score("mine:share", held_out, scores, classes=(False, True), seed=1, resamples=100)
    truth = held_out["label"].to_numpy()
    assert draws.values == pytest.approx([(s >= 0.5)[truth].mean() for s in scores])
    assert draws.drawn.shape == (100, 2)
    assert draws.span == 0
    found = interval_of(draws)
    assert found.low < found.value < found.high
    again = _ask("share", held_out, *scores, resamples=100)
    assert (again.drawn == draws.drawn).all(), "same seed, same draws"


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_one_number_a_row_with_the_rows_themselves(code, held_out, kind):
    there = dataclasses.replace(code, frame_kind=kind)
    draws = there.score(
        "mine:cost", held_out, [_chances(held_out, 1)], classes=(False, True), seed=1
    )
    answered, truth = _chances(held_out, 1) >= 0.5, held_out["label"].to_numpy()
    costs = np.where(truth & ~answered, held_out["amount"].to_numpy(), ~truth & answered)
    assert draws.values == pytest.approx([costs.mean()])
    assert draws.span == pytest.approx(np.ptp(costs))


def test_the_labels_are_those_of_the_data(held_out, capsys):
    names = held_out["label"].replace_strict([True, False], ["late", "fine"], return_dtype=str)
    rows = held_out.with_columns(label=names)
    chances = _chances(held_out, 1)
    draws = _ask("of_classes", rows, chances, classes=("fine", "late"), positive="late")
    assert draws.values[0] > 0.5
    wide = np.random.default_rng(1).dirichlet([1, 1, 1], 150)
    rows = held_out.with_columns(label=pl.Series(np.arange(150) % 3))
    draws = _ask("of_classes", rows, wide, task="multiclass", classes=(0, 1, 2))
    assert draws.values[0] == pytest.approx((wide.argmax(axis=1) == np.arange(150) % 3).mean())
    assert "CLASSES [0, 1, 2] (150, 3)" in capsys.readouterr().out


def test_a_regression_has_values(held_out):
    rows = held_out.with_columns(label=pl.col("amount") + 2)
    draws = _ask("of_values", rows, rows["amount"].to_numpy(), task="regression", classes=())
    assert draws.values == pytest.approx([2.0])


def test_what_it_is_given_is_its_own(held_out):
    scores = _chances(held_out, 1)
    before = scores.copy()
    assert _ask("writes", held_out, scores).values[0] == held_out["label"].mean()
    assert (scores == before).all()


def test_a_draw_may_have_no_value(held_out):
    rows = held_out.with_columns(label=pl.Series(np.arange(150) % 9 < 4))
    draws = _ask("sometimes", rows, resamples=200)
    missing = np.isnan(draws.drawn).mean()
    assert 0.2 < missing < 0.9


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "mine:nothing returned nan, which is not finite on the 150 held-out rows"),
        ("some_nothing", "values that are not finite"),
        ("infinite", "returned inf"),
        ("shape", "returned shape (150, 2) for 150 rows"),
        ("short", "returned shape (3,) for 150 rows"),
        ("text", "returned str, which is no number"),
        ("none", "not finite"),
        ("greedy", "mine:greedy asks for 'weather'"),
        ("blind", "mine:blind asks for nothing to judge"),
        ("fickle", "one number, and then many"),
    ],
)
def test_what_is_no_metric(held_out, name, said):
    scores = [_chances(held_out, seed) for seed in (1, 2)]
    with pytest.raises(UserCodeError) as error:
        _ask(name, held_out, *scores)
    assert error.value.code == "user.bad_metric"
    assert said in error.value.message
    assert error.value.fix


@pytest.mark.parametrize(
    ("name", "said"), [("raises", "no price today"), ("raises_on_draws", "of a draw")]
)
def test_its_faults_are_the_projects_with_the_traceback(code, held_out, name, said):
    with pytest.raises(UserCodeError) as error:
        code.score(f"mine:{name}", held_out, [_chances(held_out, 1)], classes=(False, True), seed=1)
    assert error.value.code == "user.raised"
    assert said in error.value.message
    assert "mine.py" in error.value.traceback
    assert "holdfast/training" not in error.value.traceback


def test_one_that_is_not_there(code, held_out):
    with pytest.raises(UserCodeError) as error:
        code.score("mine:shares", held_out, [_chances(held_out, 1)], seed=1)
    assert (error.value.code, "share" in error.value.fix) == ("user.no_such_callable", True)
