"""What follows from a reference is worked out once, and goes with it."""

from __future__ import annotations

import gc

import msgspec

from holdfast.monitoring.once import once
from holdfast.monitoring.plan import plan_of
from holdfast.records import Reference


def test_a_plan_is_made_once_and_goes_with_its_reference(reference: Reference) -> None:
    own = msgspec.structs.replace(reference)
    assert plan_of(own, by_hour=True) is plan_of(own, by_hour=True)
    assert plan_of(own, by_hour=True) is not plan_of(own, by_hour=False)
    assert plan_of(own, by_hour=True) is not plan_of(reference, by_hour=True)


def test_what_is_kept_ends_with_the_record(reference: Reference) -> None:
    calls = []

    @once
    def told(record: Reference, more: int) -> int:
        calls.append((record.rows, more))
        return more

    own = msgspec.structs.replace(reference, rows=7)
    assert [told(own, 1), told(own, 2), told(own, 1)] == [1, 2, 1]
    del own
    gc.collect()
    own = msgspec.structs.replace(reference, rows=8)
    assert told(own, 1) == 1
    assert calls == [(7, 1), (7, 2), (8, 1)]
