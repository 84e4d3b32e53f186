"""A version: a registered model with its lineage."""

from __future__ import annotations

from holdfast.records.base import Record, Time
from holdfast.records.run import CodeVersion, Metric


class Version(Record, frozen=True, kw_only=True):
    """An MLflow model version, walked back to its run, code, data and parent.

    Args:
        number: MLflow's integer version, from 1.
        bundle: digest of the bundle, ``sha256:…``.
        bundle_path: local folder of the bundle, when this machine has one.
        parent: number of the version that was champion when this one was trained.
        predictor: ``onnx`` or ``native``; ``predictor_note`` says why when native.
        job: id of the job that made it; no job makes two.
        data_end: latest prediction time among its training and test rows.
    """

    model: str
    number: int
    run: str
    bundle: str
    bundle_path: str
    dataset: str
    code: CodeVersion
    lock: str
    task: str
    metrics: tuple[Metric, ...]
    created_at: Time
    data_start: Time
    data_end: Time
    parent: int | None = None
    predictor: str = "native"
    predictor_note: str = ""
    job: str | None = None
