from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest
from sqlalchemy import text

from holdfast.errors import ConflictError, NotFoundError
from holdfast.records import Release, ReleaseState
from holdfast.store.store import Store
from holdfast.store.tables import MOVING

At = Callable[[float], datetime]


def make(name: str, at: datetime, state: ReleaseState, model: str = "churn") -> Release:
    return Release(
        id=name,
        model=model,
        version=1,
        previous=None,
        plan=(),
        state=state,
        started_at=at,
        step_at=at,
        actor="ann",
    )


def to(release: Release, state: ReleaseState) -> Release:
    return msgspec.structs.replace(release, state=state)


def test_releases_are_read_back(store: Store, at: At) -> None:
    old = make("old", at(0), ReleaseState.WATCHED)
    new = make("new", at(1), ReleaseState.CANARY)
    other = make("other", at(2), ReleaseState.PENDING, "fraud")
    ended = make("ended", at(3), ReleaseState.ABORTED)
    with store.begin() as tx:
        for release in (old, new, other, ended):
            store.releases.save(tx, release)
    with store.read() as tx:
        assert store.releases.get(tx, "new") == new
        assert store.releases.moving(tx, "churn") == new
        assert store.releases.active(tx, "churn") == (old, new)
        assert store.releases.active(tx) == (old, new, other)
        assert store.releases.list(tx, "churn") == (ended, new, old)
        with pytest.raises(NotFoundError):
            store.releases.get(tx, "nothing")


def test_one_release_of_a_model_moves_at_a_time(store: Store, at: At) -> None:
    first = make("first", at(0), ReleaseState.SHADOW)
    second = make("second", at(1), ReleaseState.PENDING)
    with store.begin() as tx:
        store.releases.save(tx, first)
        store.releases.save(tx, to(first, ReleaseState.CANARY))
        with pytest.raises(ConflictError) as caught:
            store.releases.save(tx, second)
        assert caught.value.code == "release.in_progress"
        store.releases.save(tx, to(first, ReleaseState.WATCHED))
        store.releases.save(tx, second)


@pytest.mark.parametrize("state", MOVING)
def test_the_schema_itself_allows_one_moving_release(store: Store, at: At, state: str) -> None:
    insert = text(
        "INSERT INTO releases (id, model, version, state, started_at, record)"
        " VALUES (:id, 'churn', 1, :state, 0, '{}')"
    )
    with store.begin() as tx:
        tx.execute(insert, {"id": "a", "state": "shadow"})
        tx.execute(insert, {"id": "b", "state": "watched"})
    with pytest.raises(ConflictError), store.begin() as tx:
        tx.execute(insert, {"id": "c", "state": state})


def test_an_ended_release_stays_as_it_ended(store: Store, at: At) -> None:
    release = make("a", at(0), ReleaseState.ROLLED_BACK)
    with store.begin() as tx:
        store.releases.save(tx, release)
        store.releases.save(tx, msgspec.structs.replace(release, switched_in=0.4))
        with pytest.raises(ConflictError) as caught:
            store.releases.save(tx, to(release, ReleaseState.CANARY))
        assert caught.value.code == "release.ended"
        assert store.releases.get(tx, "a").switched_in == 0.4
