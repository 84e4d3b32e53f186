"""The agenda: a pass touches what has something new, and all of that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from holdfast.loop.agenda import Agenda
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.store.models import ModelEntry


def _say(home: Any, model: str) -> None:
    store = home.container.store
    with store.begin() as tx:
        store.events.append(tx, home.clock.now(), "x", model, "ana", {"sentence": "x"})


def test_news_marks_failures_and_models_that_are_gone(trained: Any) -> None:
    agenda = Agenda(trained.container)
    marks: dict[str, object] = {"a": 1, "b": 1, "tiny": 1}
    assert agenda.due(marks) == ["a", "b", "tiny"], "all at first"
    assert agenda.due(marks) == ["a", "b", "tiny"], "until it was begun"
    for name in marks:
        agenda.begun(name)
    assert agenda.due(marks) == []
    _say(trained, "b")
    _say(trained, "unknown")
    assert agenda.due(marks) == ["b"]
    agenda.begun("b")
    _say(trained, "b")  # while it is under way
    assert agenda.due(marks) == ["b"]
    agenda.begun("b")
    assert agenda.due(marks | {"a": 2}) == ["a"]
    agenda.begun("a")
    agenda.again("a")
    assert agenda.due(marks | {"a": 2}) == ["a"]
    assert agenda.due({"b": 1}) == []
    assert agenda.due({"a": 2, "b": 1}) == ["a"]


def _fleet(home: Any, number: int) -> None:
    """Models beside the tiny one; they share its folder, so they are cheap and never trained."""
    store = home.container.store
    with store.begin() as tx:
        for index in range(number):
            store.models.save(tx, ModelEntry(
                name=f"m{index:03d}", root=str(home.project), text="", added_at=home.clock.now()
            ))  # fmt: skip


def test_an_idle_pass_costs_as_many_queries_for_many_models_as_for_one(live: Any) -> None:
    container = live.container
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    said: list[str] = []

    def hear(_c: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(container.store.database.engine, "before_cursor_execute", hear)

    def idle() -> int:
        for _ in range(4):
            one.tick()
        said.clear()
        one.tick()
        return len(said)

    few = idle()
    _fleet(live, 60)
    assert idle() == few
    assert not any("UPDATE" in text or "INSERT" in text for text in said)


def test_a_look_that_hangs_does_not_hold_up_a_release(live: Any, wait: Callable[..., Any]) -> None:
    container = live.container
    _fleet(live, 3)
    one = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    hangs, go_on, stop = threading.Event(), threading.Event(), threading.Event()

    def look(model: str) -> None:
        hangs.set()
        go_on.wait()

    one._watching.watch = look  # type: ignore[method-assign]
    thread = threading.Thread(target=one.run, args=(stop, 0.02))
    thread.start()
    try:
        assert hangs.wait(60)
        Releasing(container, lambda _: None).start("tiny", version=2, actor="ana")
        wait(lambda: container.registry.aliases("tiny") == {"champion": 2})
    finally:
        stop.set()
        go_on.set()
        thread.join()
