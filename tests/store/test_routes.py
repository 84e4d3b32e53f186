import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.errors import ConflictError
from holdfast.records import Arm, Route
from holdfast.store.database import Database
from holdfast.store.models import ModelEntry
from holdfast.store.store import Store

At = Callable[[float], datetime]
START = datetime(2024, 5, 1, tzinfo=UTC)


def make(epoch: int, at: datetime, model: str = "churn", version: int = 1) -> Route:
    arm = Arm(version=version, bundle="sha256:1", path="/b", weight=1.0)
    return Route(model=model, epoch=epoch, arms=(arm,), created_at=at)


def test_a_route_is_read_back(store: Store, at: At) -> None:
    with store.begin() as tx:
        assert store.routes.current(tx, "churn") is None
        store.routes.change(tx, make(1, at(0)))
        store.routes.change(tx, make(2, at(10), version=2))
        store.routes.change(tx, make(1, at(5), model="fraud"))
    with store.read() as tx:
        assert store.routes.current(tx, "churn") == make(2, at(10), version=2)
        assert store.routes.history(tx, "churn") == (make(2, at(10), version=2), make(1, at(0)))
        assert store.routes.history(tx, "churn", limit=1) == (make(2, at(10), version=2),)
        assert [(r.model, r.epoch) for r in store.routes.all_current(tx)] == [
            ("churn", 2),
            ("fraud", 1),
        ]


@pytest.mark.parametrize(
    ("seconds", "epoch"), [(-1, None), (0, 1), (9.999999, 1), (10, 2), (99, 2)]
)
def test_what_was_live_at_a_time(store: Store, at: At, seconds: float, epoch: int | None) -> None:
    with store.begin() as tx:
        store.routes.change(tx, make(1, at(0)))
        store.routes.change(tx, make(2, at(10)))
    with store.read() as tx:
        route = store.routes.at(tx, "churn", at(seconds))
    assert (route and route.epoch) == epoch


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_an_epoch_that_does_not_follow_is_refused(store: Store, at: At, epoch: int) -> None:
    with store.begin() as tx:
        store.routes.change(tx, make(1, at(0)))
    with pytest.raises(ConflictError) as caught, store.begin() as tx:
        store.routes.change(tx, make(epoch, at(1)))
    assert caught.value.code == "route.epoch"


def test_of_many_who_race_for_an_epoch_one_wins(store: Store, at: At) -> None:
    barrier = threading.Barrier(6)
    won: list[int] = []

    def race(name: int) -> None:
        barrier.wait()
        try:
            with store.begin() as tx:
                store.routes.change(tx, make(1, at(0), version=name))
        except ConflictError:
            return
        won.append(name)

    threads = [threading.Thread(target=race, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with store.read() as tx:
        route = store.routes.current(tx, "churn")
    assert route is not None
    assert route.champion.version == won[0]


def test_an_unknown_model_has_no_route(store: Store, at: At) -> None:
    with pytest.raises(ConflictError), store.begin() as tx:
        store.routes.change(tx, make(1, at(0), model="nobody"))


class RoutesMachine(RuleBasedStateMachine):
    """Routes against a list of (time, route) in memory."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        file = self.folder / "holdfast.db"
        for old in self.folder.glob("holdfast.db*"):
            old.unlink()
        self.store = Store(Database(f"sqlite:///{file}", durable=False))
        self.store.migrate()
        self.log: dict[str, list[Route]] = {"a": [], "b": []}
        self.now = START
        with self.store.begin() as tx:
            for name in self.log:
                entry = ModelEntry(name=name, root="/p", text="", added_at=START)
                self.store.models.save(tx, entry)

    @rule(
        model=st.sampled_from("ab"),
        seconds=st.integers(-3, 10),
        skip=st.sampled_from([0, 0, 0, -1, 1]),
    )
    def change(self, model: str, seconds: int, skip: int) -> None:
        self.now += timedelta(seconds=seconds)
        route = make(len(self.log[model]) + 1 + skip, self.now, model)
        try:
            with self.store.begin() as tx:
                self.store.routes.change(tx, route)
        except ConflictError:
            assert skip
        else:
            assert not skip
            self.log[model].append(route)

    @rule(model=st.sampled_from("ab"), ago=st.integers(-2, 30))
    def live_at(self, model: str, ago: int) -> None:
        time = self.now - timedelta(seconds=ago)
        expected = [route for route in self.log[model] if route.created_at <= time]
        with self.store.read() as tx:
            found = self.store.routes.at(tx, model, time)
        assert found == (expected[-1] if expected else None)

    @invariant()
    def current_is_the_last(self) -> None:
        with self.store.read() as tx:
            found = self.store.routes.all_current(tx)
            for model, log in self.log.items():
                assert self.store.routes.history(tx, model) == tuple(log[::-1][:100])
        assert found == tuple(log[-1] for log in self.log.values() if log)

    def teardown(self) -> None:
        self.store.close()


def test_any_sequence_of_changes(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("Machine", (RoutesMachine,), {"folder": tmp_path})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=20, stateful_step_count=20, deadline=None)
    )
