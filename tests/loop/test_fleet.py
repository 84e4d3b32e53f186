"""Looks at a model know of the others by one number each, and what was judged stays judged."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import Any

import msgspec

from holdfast.loop.kept import read_kept
from holdfast.loop.looking import FRESH, fleet_share
from holdfast.loop.releasing import Releasing
from holdfast.loop.watching import Watching
from holdfast.store.models import ModelEntry


def _watch(home: Any) -> Any:
    container = home.open()
    return Watching(container, Releasing(container)).watch("tiny")


def _beside(home: Any, **least: float) -> None:
    """Other models of the same control plane, looked at just now."""
    store, now = home.container.store, home.clock.now()
    with store.begin() as tx:
        text = store.models.get(tx, "tiny").text
        for name, share in least.items():
            store.models.save(tx, ModelEntry(name=name, root="/", text=text, added_at=now))
            store.fleet.save(tx, name, now, share)


def _kept(home: Any) -> Any:
    return read_kept(home.container.ask(home.container.store.looks.latest, "tiny"))


def test_a_model_by_itself_has_its_whole_budget(live: Any, traffic: Any) -> None:
    traffic(live, 3)
    seen = _watch(live)
    assert seen.shares == (1.0,) * len(seen.starts)
    assert fleet_share(live.container, "tiny") == 1.0
    store, since = live.container.store, live.clock.now()
    told = live.container.ask(store.fleet.beside, "another", since)
    assert told == (seen.least_share if seen.least_share <= 1 else inf,)


def test_models_beside_it_take_their_part_from_then_on(live: Any, traffic: Any) -> None:
    """Blocks of before keep their share, so that findings of then begin when they began."""
    traffic(live, 2)
    first = _watch(live)
    traffic(live, 2)
    _beside(live, fares=inf, fraud=inf, churn=0.3)
    assert fleet_share(live.container, "tiny") == 0.5
    second = _watch(live)
    n = len(first.starts)
    assert second.starts[:n] == first.starts
    assert set(second.shares[:n]) == {1.0}
    assert set(second.shares[n:]) == {0.5}
    assert _kept(live).judged() == dict(zip(second.starts, second.shares, strict=True))
    live.later(hours=1)
    again = _watch(live)
    assert again.shares[: len(second.shares)] == second.shares


def test_who_was_not_looked_at_lately_counts_but_lends_nothing(live: Any) -> None:
    _beside(live, churn=0.001)
    assert fleet_share(live.container, "tiny") == 1.0
    live.later(hours=FRESH / timedelta(hours=1) + 1)
    assert fleet_share(live.container, "tiny") == 0.5
    _beside(live, fraud=0.001)
    assert fleet_share(live.container, "tiny") == 2 / 3


def test_looks_of_before_there_was_a_fleet_were_judged_at_the_whole(
    live: Any, traffic: Any
) -> None:
    traffic(live, 2)
    _watch(live)
    container = live.container
    with container.store.begin() as tx:
        ((_, version, since, at),) = container.store.looks.times(tx)
        old = msgspec.json.decode(container.store.looks.find(tx, "tiny", version, since))
        for name in ("shares", "least_share", "sliced", "slices"):
            del old[name]
        container.store.looks.save(tx, "tiny", version, since, at, msgspec.json.encode(old))
    _beside(live, churn=inf)
    n = len(old["starts"])
    assert set(_kept(live).judged().values()) <= {1.0}
    traffic(live, 1)
    seen = _watch(live)
    assert set(seen.shares[:n]) <= {1.0}
    assert set(seen.shares[n:]) == {0.5}
