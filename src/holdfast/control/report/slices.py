"""Measured quality where a column has one value, over all versions of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from holdfast.bundle.manifest import read_manifest
from holdfast.control.report.numbers import SliceQuality
from holdfast.errors import HoldfastError
from holdfast.loop.container import Container
from holdfast.loop.outcomes import typed_labels
from holdfast.monitoring.quality import labelled, mean_interval
from holdfast.recording.join import outcomes
from holdfast.records import Reference
from holdfast.spec import Spec

MOST = 30
"""Values of one column that are shown, those with most predictions first."""


def slice_quality(
    container: Container,
    spec: Spec,
    names: Sequence[str],
    versions: Sequence[int],
    start: datetime,
    end: datetime,
) -> tuple[tuple[SliceQuality, ...], tuple[str, ...]]:
    """Quality of each slice, and what cannot be said of it.

    Args:
        container: the wiring.
        spec: of the model.
        names: columns of the log whose values are the slices.
        versions: that were live, in order; the last one's held-out rows are compared with.
        start: of the window.
        end: the first moment after it.
    """
    parts: list[pl.DataFrame] = []
    trouble: list[str] = []
    reference: Reference | None = None
    for number in dict.fromkeys(versions):
        try:
            reference, part = _losses(container, spec, names, number, start, end)
        except (HoldfastError, OSError):
            trouble.append(f"The quality by slice leaves out version {number}: its bundle is not "
                           "on this machine.")  # fmt: skip
            continue
        parts.append(part)
    if not parts:
        return (), tuple(trouble)
    rows = pl.concat(parts, how="diagonal_relaxed")
    if not rows.height:
        return (), tuple(trouble)
    found: list[SliceQuality] = []
    for name in names:
        if name in rows.columns:
            found += _of_column(rows, name, reference)
        else:
            trouble.append(f"The log has no column '{name}', so its slices are not known.")
    return tuple(found), tuple(trouble)


def _losses(
    container: Container, spec: Spec, names: Sequence[str], number: int,
    start: datetime, end: datetime,
) -> tuple[Reference, pl.DataFrame]:  # fmt: skip
    """Predictions of one version: the slice columns, and the bounded loss where it is known."""
    model = spec.model.name
    version = container.version(model, number)
    signature = read_manifest(version.bundle_path).signature
    reference = container.reference(version)
    log = container.log.scan(model, start, end, number, "live")
    there = set(log.collect_schema().names())
    columns = [f"f_{name}" for name in names if f"f_{name}" in there]
    now = container.clock.now()
    all_rows = outcomes(log, container.labels.scan(model), now, columns)
    all_rows = all_rows.with_columns(label=typed_labels(all_rows["label"], signature.classes))
    positive = signature.classes[signature.positive] if spec.model.task == "binary" else 1
    known = labelled(
        all_rows, now, task=spec.model.task, classes=signature.classes, positive=positive,
        scale=reference.scale,
    )  # fmt: skip
    losses = known.select("prediction_id", "loss").unique("prediction_id")
    rows = all_rows.join(losses, on="prediction_id", how="left").select("loss", *columns)
    return reference, rows.rename({name: name[2:] for name in columns}).with_columns(
        pl.col(name[2:]).cast(pl.String) for name in columns
    )


def _of_column(
    rows: pl.DataFrame, name: str, reference: Reference | None
) -> Iterator[SliceQuality]:
    groups = rows.filter(pl.col(name).is_not_null()).partition_by(name, as_dict=True)
    largest = sorted(groups.items(), key=lambda one: (-one[1].height, str(one[0])))
    for (value,), part in largest[:MOST]:
        loss = part["loss"].drop_nulls().to_numpy()
        mean, low, high = map(float, mean_interval(loss)) if loss.size else (None, None, None)
        yield SliceQuality(
            column=name, value=str(value), rows=part.height, labelled=loss.size, realised=mean,
            realised_low=low, realised_high=high, held_out=_held_out(reference, name, str(value)),
        )  # fmt: skip


def _held_out(reference: Reference | None, name: str, value: str) -> float | None:
    """Mean loss of the held-out rows with this value, which their bins know of categories."""
    if reference is None:
        return None
    bins = next((one for one in reference.bins if one.column == name), None)
    losses = reference.bin_loss.get(name, ())
    if bins is None or value not in bins.categories or len(losses) != bins.cells:
        return None
    return losses[bins.categories.index(value)]
