"""The receiver itself: what it keeps, and that it ends although a caller waits."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request

import pytest

from holdfast.testing.receiver import Reply, receiving


def test_it_keeps_what_it_got_and_answers_as_told() -> None:
    with receiving() as receiver:
        receiver.answer = lambda got: Reply(status=418, body=got.body[::-1], headers={"X": "y"})
        request = urllib.request.Request(f"{receiver.url}/a?b", b"abc", {"X-Own": "1"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        with caught.value as error:
            assert (error.status, error.read(), error.headers["X"]) == (418, b"cba", "y")
    (got,) = receiver.got
    assert (got.method, got.path, got.headers["x-own"], got.body) == ("POST", "/a?b", "1", b"abc")


def test_it_ends_although_a_caller_waits() -> None:
    asked = threading.Event()
    with receiving() as receiver:

        def answer(_: object) -> Reply:
            asked.set()
            return Reply(silent=True)

        receiver.answer = answer
        failed: list[Exception] = []

        def call() -> None:
            try:
                urllib.request.urlopen(receiver.url, timeout=60)
            except OSError as error:
                failed.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        assert asked.wait(60)
    caller.join(60)
    assert failed
