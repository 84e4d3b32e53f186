import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import ConflictError
from holdfast.store.database import Database
from holdfast.store.store import Store

At = Callable[[float], datetime]
TTL = timedelta(seconds=10)


def acquire(store: Store, owner: str, now: datetime) -> int | None:
    with store.begin() as tx:
        return store.leases.acquire(tx, "leader", owner, TTL, now)


def test_one_holds_it_until_it_expires(store: Store, at: At) -> None:
    assert acquire(store, "a", at(0)) == 1
    assert acquire(store, "b", at(9.9)) is None
    assert acquire(store, "a", at(5)) == 1
    assert acquire(store, "b", at(14.9)) is None
    assert acquire(store, "b", at(15)) == 2
    assert acquire(store, "a", at(16)) is None


def test_renewing_and_giving_back(store: Store, at: At) -> None:
    assert acquire(store, "a", at(0)) == 1
    with store.begin() as tx:
        assert store.leases.renew(tx, "leader", 1, TTL, at(9))
        assert not store.leases.renew(tx, "leader", 1, TTL, at(19))
        assert not store.leases.renew(tx, "leader", 2, TTL, at(10))
        holder = store.leases.holder(tx, "leader", at(18))
        assert holder is not None
        assert (holder.owner, holder.token, holder.expires_at) == ("a", 1, at(19))
        assert store.leases.release(tx, "leader", 1)
        assert not store.leases.release(tx, "leader", 1)
        assert store.leases.holder(tx, "leader", at(10)) is None
    assert acquire(store, "a", at(10)) == 2


def test_a_leader_that_slept_is_refused(store: Store, at: At) -> None:
    assert acquire(store, "a", at(0)) == 1
    assert acquire(store, "b", at(20)) == 2
    with store.read() as tx:
        store.leases.check(tx, "leader", 2, at(21))
        with pytest.raises(ConflictError) as caught:
            store.leases.check(tx, "leader", 1, at(21))
        assert caught.value.code == "lease.lost"
        with pytest.raises(ConflictError):
            store.leases.check(tx, "leader", 2, at(30))


def test_of_many_who_race_one_leads(store: Store, at: At) -> None:
    barrier, tokens = threading.Barrier(5), []

    def race(name: int) -> None:
        barrier.wait()
        tokens.append(acquire(store, str(name), at(0)))

    threads = [threading.Thread(target=race, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tokens, key=str) == [1, None, None, None, None]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "renew", "release"]),
        st.sampled_from("abc"),
        st.integers(0, 12),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path: Path = tmp_path_factory.mktemp("leases") / "holdfast.db"
    store = Store(Database(f"sqlite:///{path}", durable=False))
    store.migrate()
    return store


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_never_two_leaders_and_tokens_only_grow(
    shared: Store, steps: list[tuple[str, str, int]]
) -> None:
    now = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    tokens: dict[str, int] = {}
    highest = 0
    with shared.begin() as tx:
        tx.exec_driver_sql("DELETE FROM leases")
        for action, who, seconds in steps:
            now += timedelta(seconds=seconds)
            if action == "acquire":
                token = shared.leases.acquire(tx, "leader", who, TTL, now)
                if token is not None:
                    assert token >= highest
                    assert token > highest or tokens.get(who) == token
                    highest = tokens[who] = token
            elif who in tokens and action == "renew":
                shared.leases.renew(tx, "leader", tokens[who], TTL, now)
            elif who in tokens:
                shared.leases.release(tx, "leader", tokens[who])
            leading = []
            for name, token in tokens.items():
                try:
                    shared.leases.check(tx, "leader", token, now)
                except ConflictError:
                    continue
                leading.append(name)
            assert len(leading) <= 1
    shared.close()
