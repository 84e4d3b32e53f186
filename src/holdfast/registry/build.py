"""Making a bundle of a trained estimator: signature, artefacts, parity, golden rows, seal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from holdfast.bundle.columns import Columns, concatenate, count, from_polars, take
from holdfast.bundle.manifest import (
    LOCK_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    verify,
    write_bundle,
)
from holdfast.bundle.native import load_estimator
from holdfast.bundle.onnx import OnnxModel
from holdfast.bundle.predictor import Outputs, write_golden
from holdfast.bundle.redaction import policy_of
from holdfast.errors import BundleError, DataError
from holdfast.records.bundle import BundleManifest
from holdfast.records.signature import Signature
from holdfast.records.summary import Reference
from holdfast.registry.compile import to_onnx
from holdfast.registry.original import Original, edge_rows, examine, predict_as_user, store
from holdfast.registry.signature import classes_of, infer_signature
from holdfast.spec import Spec

GOLDEN_ROWS = 32
PARITY_ROWS = 20_000

MakeReference = Callable[[Outputs, Signature], Reference]


class Material(NamedTuple):
    """What a bundle is made of.

    Args:
        estimator_pickle: the fitted estimator, as the training process left it.
        train: rows it was fitted on.
        test: held-out rows, for parity and golden rows.
        spec: the declaration of the model.
        reference: what to compare live rows with, or how to make it from what the finished
            bundle answers for the rows of ``test``.
        run: id of the run.
        dataset: id of the dataset version.
        lock: environment lock, ``name==version`` a line.
    """

    estimator_pickle: Path
    train: pl.DataFrame
    test: pl.DataFrame
    spec: Spec
    reference: Reference | MakeReference
    run: str
    dataset: str
    lock: str


def build_bundle(
    folder: Path,
    *,
    estimator_pickle: Path,
    train: pl.DataFrame,
    test: pl.DataFrame,
    spec: Spec,
    reference: Reference | MakeReference,
    run: str,
    dataset: str,
    lock: str,
    now: datetime,
    key: bytes,
) -> BundleManifest:
    """Makes the bundle of a run in ``folder``; doing it again for the same run changes nothing.

    The folder appears whole or not at all. Arguments as in :class:`Material`; ``now`` is the time
    of registration, ``key`` this installation's key.

    Raises:
        BundleError: when the estimator cannot be loaded.
        UserCodeError: when it cannot predict the held-out rows.
        SpecError: when the positive class is not among the model's classes.
        DataError: when there are no held-out rows.
    """
    if (done := _made(folder, run)) is not None:
        return done
    material = Material(estimator_pickle, train, test, spec, reference, run, dataset, lock)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}")
    try:
        draft.mkdir(mode=0o700)
        manifest = _fill(draft, material, now, key)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _made(folder: Path, run: str) -> BundleManifest | None:
    try:
        manifest = verify(folder)
    except BundleError:
        return None
    return manifest if manifest.run == run else None


def _fill(draft: Path, material: Material, now: datetime, key: bytes) -> BundleManifest:
    spec, task = material.spec, material.spec.model.task
    pickled = material.estimator_pickle.read_bytes()
    estimator = load_estimator(pickled, "pickle")
    classes = classes_of(estimator, material.train.get_column(spec.data.label), task)
    signature = infer_signature(material.train, spec, classes)
    test = from_polars(material.test, signature)
    if not count(test):
        raise DataError(
            "data.no_test_rows", "there are no held-out rows", "Give more rows, or raise data.test."
        )
    features = material.train.select(spec.data.features)
    sample = _sample(test, PARITY_ROWS)
    original = examine(estimator, features, spec.model.frame, task, signature, sample)
    edges = edge_rows(sample, original)
    rows = concatenate([sample, edges])
    expected = predict_as_user(original.model, rows)

    compiled, parity = to_onnx(original, task, rows, expected)
    native, storage_note = store(draft, original, pickled, task, rows, expected)
    if compiled is not None:
        (draft / MODEL_FILE).write_bytes(compiled)
    predict = _served(original, compiled, task)
    golden = concatenate([_sample(test, GOLDEN_ROWS - min(count(edges), GOLDEN_ROWS // 2)), edges])
    golden = take(golden, slice(0, GOLDEN_ROWS))
    write_golden(draft, golden, predict(golden))
    reference = material.reference
    if not isinstance(reference, Reference):
        reference = reference(predict(test), original.signature)
    (draft / REFERENCE_FILE).write_bytes(reference.to_json())
    (draft / LOCK_FILE).write_text(material.lock, encoding="utf-8")
    return write_bundle(
        draft, model=spec.model.name, task=task, signature=original.signature,
        predictor="onnx" if compiled is not None else "native", native=native,
        run=material.run, dataset=material.dataset, created_at=now, key=key,
        note="; ".join(filter(None, (parity, original.note, storage_note))),
        record=policy_of(spec.record),
    )  # fmt: skip


def _served(original: Original, compiled: bytes | None, task: str) -> Callable[[Columns], Outputs]:
    """What the server will run: the compiled model, or the original."""
    if compiled is not None:
        return OnnxModel(compiled, task, original.signature).predict
    return lambda rows: predict_as_user(original.model, rows)


def _sample(rows: Columns, most: int) -> Columns:
    """At most that many rows, evenly spread over time."""
    total = count(rows)
    return take(rows, np.unique(np.linspace(0, total - 1, min(most, total)).astype(np.int64)))
