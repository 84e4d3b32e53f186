"""A metric of the project's own, asked in the process that runs the project's code.

It is called with those of these that its parameters name:

- ``y_true``: (n,) labels as the data has them;
- ``y_pred``: (n,) answers: the label of the likelier class, or a regression's value;
- ``y_proba``: binary: (n,) probability of the positive class; else (n, k) in the order of the
  model's classes;
- ``rows``: all columns of the rows, as the kind of frame that training gets.

It returns one number, or one number a row. One number a row is averaged, and asked once; one
number of all is asked again for every draw of the rows, which is what its interval costs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from holdfast.errors import UserCodeError
from holdfast.spec import Task
from holdfast.statistics.draws import Draws, draws_of_rows
from holdfast.statistics.losses import Floats
from holdfast.training.boundary import guarded

_CODE = "user.bad_metric"
_HOW = "Return one number, or an array with one number a row."


class Known(NamedTuple):
    """What a metric may ask for.

    Args:
        rows: the held-out rows, label and all.
        truth: (n,) labels.
        scores: of each model: (n,), or (n, k) of a multiclass model.
        task: what is predicted.
        classes: class labels; empty for a regression.
        positive: the positive class, for binary.
        frame: makes the frame of ``rows`` that is handed over.
    """

    rows: pl.DataFrame
    truth: Any
    scores: tuple[Floats, ...]
    task: Task
    classes: tuple[bool | int | str, ...] = ()
    positive: bool | int | str = True
    frame: Callable[[pl.DataFrame], Any] = pl.DataFrame.clone


def score(
    target: str, function: Callable[..., Any], known: Known, *, seed: int, resamples: int
) -> Draws:
    """Asks a metric of each model, with all draws that its bounds need.

    Args:
        target: ``module:callable``, named in errors.
        function: it.
        known: what it may ask for.
        seed: same seed, same draws.
        resamples: how often the rows are drawn.

    Raises:
        UserCodeError: with the user's traceback when it raised; ``user.bad_metric`` when it wants
            something else or returns no number.
    """
    offered = [_offered(known, one) for one in known.scores]
    names = _wanted(target, function, offered[0])
    n = known.rows.height

    def ask(model: int, index: Any = None) -> Any:
        given = {name: _taken(offered[model][name], index, known) for name in names}
        return guarded(target, lambda: function(**given))

    answers = [_numbers(target, ask(model), n) for model in range(len(offered))]
    for answer in answers:
        if answer.shape != answers[0].shape:
            raise UserCodeError(_CODE, f"{target} returned one number, and then many", _HOW)
        if wrong := int(np.count_nonzero(~np.isfinite(answer))):
            what = f"{wrong:,} of {n:,} values that are" if answer.ndim else f"{answer}, which is"
            raise UserCodeError(
                _CODE,
                f"{target} returned {what} not finite on the {n:,} held-out rows",
                "Give every row a value; take out of it what cannot be judged.",
            )
    if answers[0].ndim:
        return draws_of_rows(target, np.stack(answers), seed=seed, resamples=resamples)
    random = np.random.default_rng(seed)
    drawn = np.empty((resamples, len(answers)))
    for number in range(resamples):
        index = random.integers(0, n, n)
        for model in range(len(answers)):
            drawn[number, model] = _one(target, ask(model, index))
    return Draws(target, n, tuple(float(answer) for answer in answers), drawn)


def _offered(known: Known, one: Floats) -> dict[str, Any]:
    offered: dict[str, Any] = {"y_true": known.truth, "rows": known.rows}
    if known.task == "regression":
        return {**offered, "y_pred": one}
    classes = np.array(known.classes)
    if known.task == "binary":
        negative = next((one for one in known.classes if one != known.positive), known.positive)
        answered = np.where(one >= 0.5, known.positive, negative)
    else:
        answered = classes[one.argmax(axis=1)]
    return {**offered, "y_pred": answered, "y_proba": one}


def _wanted(target: str, function: Callable[..., Any], offered: Mapping[str, Any]) -> list[str]:
    """The names to call it with."""
    fix = f"A metric is called by name with any of {', '.join(offered)}."
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise UserCodeError(
            _CODE, f"the parameters of {target} cannot be read", f"Wrap it in a function. {fix}"
        ) from None
    names = []
    for parameter in parameters:
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.name in offered:
            names.append(parameter.name)
        elif parameter.default is parameter.empty and (
            named or parameter.kind is parameter.POSITIONAL_ONLY
        ):
            raise UserCodeError(_CODE, f"{target} asks for '{parameter.name}'", fix)
    if not names:
        raise UserCodeError(_CODE, f"{target} asks for nothing to judge", fix)
    return names


def _taken(value: Any, index: Any, known: Known) -> Any:
    """A copy, which may be written to."""
    taken = value[slice(None) if index is None else index]
    return known.frame(taken) if isinstance(taken, pl.DataFrame) else taken.copy()


def _numbers(target: str, answer: Any, n: int) -> Floats:
    """() or (n,) numbers."""
    try:
        numbers = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserCodeError(
            _CODE, f"{target} returned {type(answer).__name__}, which is no number", _HOW
        ) from None
    if numbers.shape not in ((), (n,)):
        raise UserCodeError(_CODE, f"{target} returned shape {numbers.shape} for {n:,} rows", _HOW)
    return numbers


def _one(target: str, answer: Any) -> float:
    """The value of a draw; NaN says that it has none there."""
    try:
        return float(answer)
    except (TypeError, ValueError):
        raise UserCodeError(
            _CODE, f"{target} returned one number, and of a draw of the rows no number", _HOW
        ) from None
