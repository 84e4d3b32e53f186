"""What a version carries into MLflow, and how it is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import msgspec

from holdfast.records.version import Version
from holdfast.registry.mlmodel import BUNDLE_FOLDER

JOB_TAG = "holdfast.job"
VERSION_TAG = "holdfast.version"
STATUS_TAG = "validation_status"


def lineage_tags(version: Version) -> dict[str, str]:
    """The tags of a version in MLflow: for people, and the whole record for us."""
    tags = {
        "holdfast.dataset": version.dataset,
        "holdfast.code": version.code.commit or version.code.digest,
        "holdfast.bundle": version.bundle,
        "holdfast.predictor": version.predictor,
        JOB_TAG: version.job or "",
        STATUS_TAG: "pending",
        VERSION_TAG: version.to_json().decode(),
    }
    if version.parent is not None:
        tags["holdfast.parent"] = str(version.parent)
    return tags


def version_of(found: Any) -> Version | None:
    """Our record of MLflow's version, or ``None`` when another tool registered it."""
    text = found.tags.get(VERSION_TAG)
    if text is None:
        return None
    path = _local(found.source)
    return msgspec.structs.replace(
        Version.from_json(text),
        number=int(found.version),
        bundle_path=str(path) if path is not None and path.is_dir() else "",
    )


def _local(source: str) -> Path | None:
    parts = urlparse(source)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path)) / BUNDLE_FOLDER
