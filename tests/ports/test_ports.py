"""What implements a port has everything that the port asks for."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from holdfast.loop.clock import RehearsalClock, SystemClock
from holdfast.ports.blobs import BlobStore
from holdfast.ports.clock import Clock
from holdfast.ports.ids import new_id
from holdfast.ports.spool import Spool
from holdfast.ports.user_code import UserCode
from holdfast.recording.spool import FileSpool
from holdfast.store.blobs import LocalBlobs
from holdfast.training.user_code import LocalUserCode


@pytest.mark.parametrize(
    ("port", "made"),
    [
        (Clock, SystemClock), (Clock, RehearsalClock), (Spool, FileSpool),
        (BlobStore, LocalBlobs), (UserCode, LocalUserCode),
    ],
)  # fmt: skip
def test_the_parts_fit(port: Any, made: Any) -> None:
    for name, wanted in vars(port).items():
        if name.startswith("_"):
            continue
        found = inspect.getattr_static(made, name)
        assert isinstance(found, property) == isinstance(wanted, property), name
        if not isinstance(wanted, property):
            names = list(inspect.signature(wanted).parameters)
            assert list(inspect.signature(found).parameters)[: len(names)] == names, name


def test_ids_do_not_meet() -> None:
    ids = {new_id("job") for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(one) for one in ids} == {len("job-") + 24}
