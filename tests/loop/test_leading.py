"""Leadership: one acts, the one before it cannot, and clocks that jump do no harm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from holdfast.errors import ConflictError
from holdfast.loop.leading import LEASE, LEASE_TIME, Leadership
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.store.database import Database
from holdfast.store.store import Store

START = datetime(2026, 3, 29, 0, 59, 50, tzinfo=UTC)  # ten seconds before summer time in Europe
SECONDS = LEASE_TIME.total_seconds()


class Clock:
    """A wall clock that jumps and a steady one that does not."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.steady += seconds


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(Database(f"sqlite:///{tmp_path / 'holdfast.db'}", durable=False))
    made.migrate()
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(store: Store, clock: Clock) -> list[Leadership]:
    return [Leadership(lambda: store, clock.now, clock.monotonic) for _ in range(2)]


def _refused(store: Store, one: Leadership) -> bool:
    try:
        with store.guarded(one.check).begin():
            return False
    except ConflictError as error:
        return error.code == "lease.lost"


def test_a_deposed_leader_writes_nothing(store: Store, clock: Clock, two: list[Leadership]) -> None:
    first, second = two
    assert first.take()
    assert not second.take()
    assert not _refused(store, first)
    clock.passes(SECONDS + 1)  # it slept
    assert second.take()
    assert _refused(store, first)
    assert not first.leads
    assert not _refused(store, second)
    first.give_back()  # gives back nothing that is another's
    first.renew()
    assert not _refused(store, second)
    second.give_back()
    assert _refused(store, second)
    assert first.take()


def test_renewed_it_is_kept(store: Store, clock: Clock, two: list[Leadership]) -> None:
    first, second = two
    assert first.take()
    for _ in range(20):
        clock.passes(SECONDS / 3)
        first.renew()
        assert first.leads
        assert not second.take()
        assert not _refused(store, first)


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-1), timedelta(seconds=-7)])
def test_a_clock_set_back_does_not_keep_a_dead_leader_in_office(
    clock: Clock, two: list[Leadership], jump: timedelta
) -> None:
    first, second = two
    assert first.take()
    assert not second.take()
    clock.wall += jump
    clock.passes(SECONDS)
    assert second.take(), "not renewed for its whole length, whatever the wall says"


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=400)])
def test_a_clock_set_forward_costs_the_leader_a_pass_at_most(
    store: Store, clock: Clock, two: list[Leadership], jump: timedelta
) -> None:
    first, second = two
    assert first.take()
    clock.wall += jump
    refused = _refused(store, first)
    assert refused, "for all it knows another leads"
    assert first.take()
    assert not second.take()
    assert not _refused(store, first)


def test_time_zones_and_summer_time_do_not_matter(
    store: Store, clock: Clock, two: list[Leadership]
) -> None:
    first, second = two
    assert first.take()
    clock.wall = clock.wall.astimezone(timezone(timedelta(hours=5, minutes=45)))
    clock.passes(SECONDS / 2)
    assert not second.take()
    assert not _refused(store, first)
    first.renew()
    clock.wall = clock.wall.astimezone(timezone(timedelta(hours=-9)))
    clock.passes(SECONDS / 2)
    assert not second.take()
    clock.passes(SECONDS / 2 + 1)
    assert second.take()


def test_every_write_of_a_pass_is_fenced_and_an_order_is_not(live: Any) -> None:
    """Enumerated by what reaches the database: between BEGIN IMMEDIATE and the next statement
    there is nothing but the look at the lease."""
    container = live.container
    store = container.store
    live.container.registry.set_alias("tiny", "champion", 2)
    with store.begin() as tx:
        job = store.jobs.enqueue(tx, "k", "train", "tiny", {"origin": "loop"}, live.clock.now())
        store.jobs.take(tx, job.id, 1, 0.0)
        store.jobs.finish(tx, job.id, {"version": 3}, live.clock.now())
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    assert one._lease.take()
    said: list[str] = []

    @event.listens_for(store.database.engine, "before_cursor_execute")
    def hear(_c: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    for _ in range(3):
        one.steer("tiny")
    begins = [said[i + 1] for i, text in enumerate(said[:-1]) if text.startswith("BEGIN IMM")]
    assert len(begins) >= 3
    assert all("FROM leases" in text for text in begins), begins

    with store.begin() as tx:
        holder = store.leases.holder(tx, LEASE, container.wall())
        store.leases.release(tx, LEASE, holder.token)
        store.leases.acquire(tx, LEASE, "another", LEASE_TIME, container.wall())
    epoch = container.ask(store.routes.current, "tiny").epoch
    container.registry.set_alias("tiny", "champion", 1)
    with pytest.raises(ConflictError, match="lease"):
        one.steer("tiny")
    assert container.ask(store.routes.current, "tiny").epoch == epoch
    Releasing(container).start("tiny", version=3, actor="ana", force="an order of a person")
    assert container.ask(store.routes.current, "tiny").champion.version == 3


def test_a_deposed_leader_moves_no_alias(live: Any) -> None:
    """It has read that the alias is behind, then slept; meanwhile another took over."""
    container = live.container
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    assert one._lease.take()
    Releasing(container, lambda _: None).start("tiny", version=2, actor="ana")
    registry, real = container.registry, container.registry.aliases

    def slow(model: str) -> dict[str, int]:
        found = real(model)
        with container.store.begin() as tx:
            holder = container.store.leases.last(tx, LEASE)
            container.store.leases.release(tx, LEASE, holder.token)
        return found

    registry.aliases = slow
    one._container.__dict__["registry"] = registry
    with pytest.raises(ConflictError, match="lease"):
        one.steer("tiny")
    del registry.aliases
    assert registry.aliases("tiny") == {"champion": 1}


def test_the_heart_beats_while_a_pass_is_long(store: Store, wait: Callable[..., Any]) -> None:
    wall = Clock()
    one = Leadership(lambda: store, wall.now)
    assert one.take()
    with store.read() as tx:
        before = store.leases.last(tx, LEASE).expires_at
    with one.renewed():
        wall.passes(1)

        def renewed() -> bool:
            with store.read() as tx:
                return store.leases.last(tx, LEASE).expires_at > before

        wait(renewed)
    with store.read() as tx:
        assert store.leases.last(tx, LEASE) is None, "given back at the end"
