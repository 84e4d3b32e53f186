"""What one look keeps for the next changes nothing of what is seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from holdfast.loop.container import Container
from holdfast.loop.looking import look_at, look_json
from holdfast.loop.outcomes import add_labels


def _seen(container: Container, until: Any) -> bytes:
    spec, version = container.spec("tiny"), container.version("tiny", 1)
    route = container.ask(container.store.routes.current, "tiny")
    seen = look_at(container, spec, version, route.created_at, until)
    reference = container.reference(version)
    return look_json(seen, version, route.created_at, reference, spec.monitor)


def test_looks_of_one_process_are_those_of_new_ones_bit_for_bit(live: Any, traffic: Any) -> None:
    """While further days come, late labels, and corrections of labels long past."""
    live.edit("[gate]", '[monitor]\nslices = ["kind"]\n\n[gate]')
    one = live.open()
    ids, before = [], b""
    for days, wrong in ((3, False), (1, False), (2, True)):
        ids += traffic(live, days, wrong=wrong)
        for hours in (1, 9):
            seen = _seen(one, live.clock.now())
            assert seen == _seen(live.open(), live.clock.now())
            assert seen != before
            before = seen
            corrected = [{"row": name, "bad": True} for name in ids[hours::40]]
            add_labels(live.container, "tiny", corrected)
            live.later(hours=hours)
    assert _seen(one, live.clock.now() - timedelta(days=2)) == _seen(
        live.open(), live.clock.now() - timedelta(days=2)
    ), "a time that was passed"
