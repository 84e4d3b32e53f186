"""A route made ready to answer: loaded versions, and which of them answers a key."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from holdfast.bundle.columns import Columns
from holdfast.bundle.predictor import Outputs
from holdfast.errors import BundleError
from holdfast.records import Arm, Route, Signature
from holdfast.serving.batches import Batches
from holdfast.serving.converter import Converter
from holdfast.serving.limits import Limits
from holdfast.serving.loader import Opened

Key = tuple[int, str]


def arm_key(arm: Arm) -> Key:
    """What makes two arms the same loaded thing, whatever their weight."""
    return arm.version, arm.bundle


class Loaded:
    """One version in memory. Freed when no route and no request refers to it any more."""

    def __init__(self, arm: Arm, opened: Opened, limits: Limits) -> None:
        manifest = opened.predictor.manifest
        self.key = arm_key(arm)
        self.model = manifest.model
        self.version = arm.version
        self.header = b"%d" % arm.version
        self.kind: str = opened.predictor.kind
        self.task = manifest.task
        self.signature = manifest.signature
        self.created = int(manifest.created_at.timestamp())
        self.example = opened.example
        self.redaction = opened.redaction
        self.memory = opened.memory
        self.converter = Converter(manifest.signature, limit=limits.rows)
        self._predict = opened.predictor.predict
        self.batches: Batches | None = None
        self._lock = threading.Lock() if self.kind == "native" else None

    def predict(self, columns: Columns, rows: int) -> Outputs:
        """Answers; waits for its turn where the model takes one thread at a time."""
        if self._lock is None:
            return self._predict(columns, rows)
        with self._lock:
            return self._predict(columns, rows)


class LiveRoute:
    """One route with all it needs in memory; never changed, only replaced.

    Args:
        route: the orders.
        arms: versions that answer, in the order of ``route.arms`` (or those that could be loaded).
        shadow: versions that answer off the request path.
        resident: versions kept for an instant rollback.

    Raises:
        BundleError: when the arms cannot answer the same requests.
    """

    def __init__(
        self,
        route: Route,
        arms: Sequence[tuple[Arm, Loaded]],
        shadow: Sequence[Loaded],
        resident: Sequence[Loaded],
        limits: Limits,
    ) -> None:
        self.route = route
        self.champion = max(arms, key=lambda pair: pair[0].weight)[1]
        self.model = self.champion.model
        for _, loaded in arms:
            check_compatible(loaded, self.champion)
        self._weights = [
            (arm.weight, f"{route.model}\0{arm.version}\0".encode(), loaded)
            for arm, loaded in arms
            if arm.weight > 0.0
        ]
        self.only = self.champion if len(self._weights) < 2 else None
        self._arms = [loaded for _, loaded in arms]
        self._shadow = list(shadow)
        self.watched = bool(shadow) or route.mirror
        self.resident = list(resident)
        self.versions = {
            loaded.version: loaded for loaded in (*resident, *shadow, *self._arms)
        }  # fmt: skip
        everything = frozenset(
            field.name for loaded in self.versions.values() for field in loaded.signature.inputs
        )
        self.converter = Converter(self.champion.signature, limit=limits.rows, also=everything)

    def choose(self, key: str) -> Loaded:
        """The version that answers a key: every server agrees, with nothing shared.

        Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and
        Schomaker 2005): the smallest of ``-ln(u) / weight`` wins. Raising a version's weight only
        moves keys towards it.
        """
        if self.only is not None:
            return self.only
        text = key.encode("utf-8", "surrogatepass")
        return min(self._weights, key=lambda arm: -math.log(_uniform(arm[1] + text)) / arm[0])[2]

    def watchers(self, answered: Sequence[Loaded]) -> list[Loaded]:
        """Versions that score the same rows off the request path."""
        also = [*self._shadow, *self._arms] if self.route.mirror else self._shadow
        return [loaded for loaded in also if loaded not in answered]


def _uniform(text: bytes) -> float:
    """A number in (0, 1) that looks random and is the same everywhere."""
    value = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    return ((value >> 11) + 0.5) / 2**53


def check_compatible(loaded: Loaded, champion: Loaded) -> None:
    """Whether a version can answer every request that the champion can.

    Raises:
        BundleError: when it needs another column, another type, or a value where the champion
            takes null; or when it is of another task.
    """
    if loaded is champion:
        return
    faults = _faults(loaded.signature, champion.signature)
    if loaded.task != champion.task:
        faults = [f"it is {loaded.task}, not {champion.task}"]
    if faults:
        raise BundleError(
            "bundle.incompatible",
            f"version {loaded.version} cannot answer beside version {champion.version}: "
            + "; ".join(faults[:5]),
            "Release it with strategy = 'direct', once the callers send what it needs.",
        )


def _faults(signature: Signature, champion: Signature) -> list[str]:
    known: dict[str, Any] = {field.name: field for field in champion.inputs}
    faults = []
    for field in signature.inputs:
        other = known.get(field.name)
        if other is None:
            faults.append(f"it needs the column '{field.name}'")
        elif field.type != other.type:
            faults.append(f"it takes '{field.name}' as {field.type}, not {other.type}")
        elif field.width != other.width:
            faults.append(f"it takes '{field.name}' as {field.kind}, not {other.width}")
        elif other.nullable and not field.nullable:
            faults.append(f"it takes no null in '{field.name}'")
    return faults
