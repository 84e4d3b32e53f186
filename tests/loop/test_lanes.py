"""Lanes: one piece of work a model at a time, and nobody waits for a slow one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from holdfast.loop.lanes import Lanes


def test_without_threads_it_is_done_at_once() -> None:
    done: list[str] = []
    lanes = Lanes(0)
    assert lanes.submit("a", done.append)
    assert done == ["a"]
    assert lanes.is_idle()
    lanes.close()


def test_a_slow_model_holds_up_nobody(wait: Callable[..., Any]) -> None:
    lanes, gate, done = Lanes(2), threading.Event(), []
    assert lanes.submit("slow", lambda _: gate.wait() and None)
    assert not lanes.submit("slow", done.append), "under way"
    for name in "abc":
        assert lanes.submit(name, done.append)
    wait(lambda: done == ["a", "b", "c"])
    assert not lanes.is_idle()
    gate.set()
    wait(lanes.is_idle)
    assert lanes.submit("slow", done.append)
    lanes.close()


def test_what_has_not_begun_is_dropped_by_who_leads_no_more(wait: Callable[..., Any]) -> None:
    lanes, gate, begun, done = Lanes(1), threading.Event(), threading.Event(), []

    def slow(_: str) -> None:
        begun.set()
        gate.wait()

    lanes.submit("slow", slow)
    begun.wait()
    lanes.submit("next", done.append)
    assert not lanes.is_idle()
    gate.set()
    wait(lanes.is_idle)
    lanes.close()
    assert done == []
