"""From an arm of a route to a model that was proven to answer as it did at registration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.bundle import columns, predictor
from holdfast.bundle.predictor import Predictor
from holdfast.bundle.redaction import Redaction
from holdfast.records import Arm, RecordPolicy
from holdfast.serving.memory import Growth, memory_of

_WARM_UPS = 3


class Opened(NamedTuple):
    """A warm model; ``example`` is one plain row for the documentation, ``redaction`` says what
    of its inputs may be recorded, ``memory`` is the bytes that the model takes.
    """

    predictor: Predictor
    example: dict[str, Any]
    redaction: Redaction = Redaction(RecordPolicy(), None)
    memory: int = 0


Load = Callable[[Arm], Opened]


def bundle_loader(
    *,
    key: bytes | None = None,
    allow_pickle: bool = False,
    fetch: Callable[[Arm], Path] | None = None,
) -> Load:
    """A loader of bundles.

    Args:
        key: this installation's key; only pickles sealed with it are read.
        allow_pickle: the operator trusts every pickle.
        fetch: brings a bundle to this machine; by default it is where the arm's path says.

    Returns:
        A function that verifies the bundle's digest, opens it, answers the golden rows and warms
        the model up; it raises :class:`~holdfast.errors.BundleError` when any of that fails.
    """
    growth = Growth()

    def load(arm: Arm) -> Opened:
        folder = Path(arm.path) if fetch is None else fetch(arm)
        end = growth.begin()
        try:
            opened = predictor.open_bundle(
                folder, digest=arm.bundle, key=key, allow_pickle=allow_pickle
            )
            predictor.check_golden(opened, folder)
            example = _warm(opened, folder)
        finally:
            grown = end()
        redaction = Redaction(opened.manifest.record, key, opened.manifest.signature.id)
        return Opened(opened, example, redaction, memory_of(opened.manifest, grown))

    return load


def _warm(opened: Predictor, folder: Path) -> dict[str, Any]:
    rows, golden = predictor.read_golden(folder, opened.manifest)
    if not columns.count(rows):
        return {}
    one = columns.take(rows, slice(0, 1))
    for _ in range(_WARM_UPS):
        opened.predict(one, 1)
    return {name: values[0] for name, values in golden.columns.items()}
