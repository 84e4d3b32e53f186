"""A version to render, and the real bundle it has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.loop.rendering import subject_of_version
from holdfast.ports.rendering import Subject


@pytest.fixture(scope="module")
def subject(shared: Any) -> Subject:
    return subject_of_version(shared.container, "tiny", 1)


@pytest.fixture(scope="module")
def native(subject: Subject) -> Subject:
    """The same version, had its model not been compiled."""
    import msgspec

    manifest = msgspec.structs.replace(subject.manifest, predictor="native")
    return replace(subject, manifest=manifest)
