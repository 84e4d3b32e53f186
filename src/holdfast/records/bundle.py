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


class RecordPolicy(Record, frozen=True, kw_only=True):
    """What may be written down of a version's inputs; sealed with it, so that no server forgets.

    Args:
        redact: by column (a feature, or the id): ``hash`` records a keyed hash instead of the
            value, ``drop`` nothing.
        sample: share of large requests whose inputs are recorded.
        sample_above: bytes of inputs above which a request is large.
    """

    redact: dict[str, Literal["hash", "drop"]] = {}
    sample: float = 1.0
    sample_above: int = 0


class BundleManifest(Record, frozen=True, kw_only=True):
    """``bundle.json``. Its digest is the bundle's address: it holds every other file's digest.

    Args:
        predictor: what the server runs: ``onnx`` where parity was proven, else ``native``.
        native: how the original estimator is stored: ``pickle``, ``xgboost`` or ``lightgbm``.
        note: why there is no compiled artefact, or the parity that was measured.
        record: what is left out, hashed or sampled when its predictions are recorded.
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
    record: RecordPolicy = RecordPolicy()

    @property
    def digest(self) -> str:
        """The content address of the bundle."""
        return digest(self.to_json())
