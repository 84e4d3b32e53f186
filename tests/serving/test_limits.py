from __future__ import annotations

import resource

import pytest

from holdfast.errors import UsageError
from holdfast.serving.limits import (
    Limits,
    format_size,
    most_connections,
    raise_descriptors,
    read_limits,
)


def test_flags_come_before_the_environment_and_that_before_the_defaults() -> None:
    environ = {"HOLDFAST_LIMIT_BODY": "2MiB", "HOLDFAST_LIMIT_ROWS": "7", "OTHER": "x"}
    limits = read_limits(["rows=5", "head_seconds=0.5"], environ)
    assert (limits.body, limits.rows, limits.head_seconds) == (2 * 2**20, 5, 0.5)
    assert limits.in_flight == Limits().in_flight
    assert read_limits([], {}, Limits(rows=3)).rows == 3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("rows", "not of the form"), ("row=5", "Did you mean 'rows'"), ("rows=0", "rows"),
        ("rows=many", "no number"), ("rows=-1", "no number"), ("body=1TiB", "no number"),
        ("head_seconds=0", "head_seconds"), ("zzz=1", "limits.md"),
    ],
)  # fmt: skip
def test_limits_that_are_refused(given: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_limits([given], {})


def test_every_default_can_be_written_and_read() -> None:
    for name in ("body", "unpacked", "bodies", "head", "inline_bytes"):
        default = getattr(Limits(), name)
        assert getattr(read_limits([f"{name}={format_size(default)}"], {}), name) == default
    assert format_size(1000) == "1000"


def test_connections_leave_descriptors_for_others() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        most = raise_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == most
        assert most_connections(Limits(), most) < most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert most_connections(Limits(connections=5), 10_000) == 5
    assert most_connections(Limits(), 10) == 1
