"""Labels in: validated as a whole, kept, and told apart from what was known."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import polars as pl

from holdfast.bundle.manifest import read_manifest
from holdfast.bundle.redaction import Redaction, policy_of
from holdfast.errors import LabelError
from holdfast.loop.container import Container
from holdfast.loop.recorded import recorded_ids
from holdfast.recording.labels import read_labels, unknown
from holdfast.records import Record
from holdfast.spec import Spec

Format = Literal["csv", "parquet", "jsonl"]


class LabelsAdded(Record, frozen=True, kw_only=True):
    """What became of some labels: ``rows = new + duplicate + corrected``.

    Args:
        unknown: rows whose id no prediction has yet; they are kept.
    """

    rows: int
    new: int
    duplicate: int
    corrected: int
    unknown: int


def add_labels_from(
    container: Container, model: str, file: str, kind: Format | None = None
) -> LabelsAdded:
    """Takes in the labels of a file; ``-`` is standard input.

    Raises:
        LabelError: when a row is bad; nothing was kept.
    """
    source: Path | io.BytesIO
    if file == "-":
        source = io.BytesIO(sys.stdin.buffer.read())
    else:
        source = Path(file)
        if not source.is_file():
            raise LabelError("labels.no_file", f"there is no file {file}", "Name one that exists.")
    return _add(container, model, source, kind)


def add_labels(container: Container, model: str, rows: list[dict[str, Any]]) -> LabelsAdded:
    """Takes in labels given as objects with the columns of a file.

    Raises:
        LabelError: when a row is bad; nothing was kept.
    """
    if not rows:
        return LabelsAdded(rows=0, new=0, duplicate=0, corrected=0, unknown=0)
    return _add(container, model, io.BytesIO(msgspec.json.Encoder().encode_lines(rows)), "jsonl")


def _add(
    container: Container, model: str, source: Path | io.BytesIO, kind: Format | None
) -> LabelsAdded:
    spec, now = container.spec(model), container.clock.now()
    frame = read_labels(
        source, kind, id_column=spec.data.id, label_column=spec.data.label,
        time_column=spec.data.label_time, now=now, task=spec.model.task,
        classes=_classes(container, model),
    )  # fmt: skip
    frame = frame.with_columns(id=_ids(container, model, spec, frame["id"]))
    added = container.labels.add(model, frame, now)
    strangers = unknown(model, frame["id"], container.log)
    return LabelsAdded(**added._asdict(), unknown=len(strangers))


def _ids(container: Container, model: str, spec: Spec, ids: pl.Series) -> pl.Series:
    declared = policy_of(spec.record)
    route = container.ask(container.store.routes.current, model)
    policies = [declared]
    if route is not None:
        version = container.version(model, route.champion.version)
        policies.append(read_manifest(version.bundle_path).record)
    named = [Redaction(policy, container.key, spec.data.id) for policy in policies]
    return recorded_ids(ids, named, lambda: container.log.scan(model))


def _classes(container: Container, model: str) -> tuple[bool | int | str, ...]:
    route = container.ask(container.store.routes.current, model)
    if route is None:
        return ()
    version = container.version(model, route.champion.version)
    return read_manifest(version.bundle_path).signature.classes


def typed_labels(labels: pl.Series, classes: Sequence[bool | int | str]) -> pl.Series:
    """Labels from the text form of the store to the type of the classes; numbers without classes.

    >>> typed_labels(pl.Series(["true", None]), (False, True)).to_list()
    [True, None]
    """
    if not classes:
        return labels.cast(pl.Float64)
    if isinstance(classes[0], bool):
        return labels.replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean)
    if isinstance(classes[0], int):
        return labels.cast(pl.Int64)
    return labels
