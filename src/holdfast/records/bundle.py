"""A bundle: a self-contained, content-addressed folder; all a server needs."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time, digest
from holdfast.records.signature import Signature


class Artefact(Record, frozen=True, kw_only=True):
    """One file of the bundle: relative path, digest and size in bytes."""

    path: str
    sha256: str
    size: int


class BundleManifest(Record, frozen=True, kw_only=True):
    """``bundle.json``. Its digest is the bundle's address: it holds every other file's digest.

    Args:
        predictor: what the server runs: ``onnx`` where parity was proven, else ``native``.
        native: how the original estimator is stored: ``pickle``, ``xgboost`` or ``lightgbm``.
        note: why there is no compiled artefact, or the parity that was measured.
    """

    format: int = 1
    model: str
    task: str
    signature: Signature
    predictor: Literal["onnx", "native"]
    native: Literal["pickle", "xgboost", "lightgbm"]
    files: tuple[Artefact, ...]
    run: str
    dataset: str
    created_at: Time
    note: str = ""

    @property
    def digest(self) -> str:
        """The content address of the bundle."""
        return digest(self.to_json())
