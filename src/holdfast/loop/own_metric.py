"""The gate's metric when it is the project's own, asked where the project's code may run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from holdfast.loop.container import Container
from holdfast.records import Signature
from holdfast.spec import Spec
from holdfast.statistics.draws import Draws, turned
from holdfast.statistics.losses import Floats


def own_metric(
    container: Container,
    spec: Spec,
    rows: pl.DataFrame,
    scores: Sequence[Floats],
    signature: Signature,
    log: Path,
    *,
    seed: int,
) -> Draws | None:
    """The metric of each model's scores on the same rows, greater is better; None when built in.

    Args:
        container: the wiring.
        spec: of the model.
        rows: the held-out rows, with labels.
        scores: the answers of each model, in the order of the classes of ``signature``.
        signature: of the model that is judged.
        log: where the output of the project's code goes.
        seed: same seed, same draws.

    Raises:
        UserCodeError: when the metric failed, with its traceback.
    """
    if not spec.gate.own:
        return None
    classes, target = signature.classes, spec.gate.metric
    positive = classes[signature.positive] if spec.model.task == "binary" else True
    user_code = container.user_code(spec, log, {})
    draws = user_code.score(target, rows, scores, classes=classes, positive=positive, seed=seed)
    return turned(draws, spec.gate.measured) if spec.gate.better == "lower" else draws
