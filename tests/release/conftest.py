from datetime import UTC, datetime

import msgspec
import pytest

from holdfast.records import Arm, Release, ReleaseState
from holdfast.release.plan import plan
from holdfast.spec import Release as Policy

START = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def policy() -> Policy:
    return Policy()


@pytest.fixture
def release(policy: Policy) -> Release:
    """Version 2 beside version 1, before anything happened."""
    return Release(
        id="rel-1",
        model="churn",
        version=2,
        previous=1,
        plan=plan(policy),
        state=ReleaseState.PENDING,
        started_at=START,
        step_at=START,
        actor="ann",
    )


@pytest.fixture
def canary(release: Release) -> Release:
    """The same at the first of three steps."""
    return msgspec.structs.replace(release, state=ReleaseState.CANARY)


@pytest.fixture
def new() -> Arm:
    return Arm(version=2, bundle="sha256:2", path="/b/2", weight=0.7)


@pytest.fixture
def old() -> Arm:
    return Arm(version=1, bundle="sha256:1", path="/b/1", weight=0.3)
