"""Orders given on the pages, with servers that follow and MLflow behind."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from httpx import Client

from holdfast.control import waiting

MODEL = "flight-delay"
PATH = f"/models/{MODEL}/rollback"


@pytest.fixture
def client(registered: Any, run: Any) -> Iterator[Client]:
    with run(registered.container) as client:
        yield client


@contextmanager
def following(client: Client, world: Any) -> Iterator[None]:
    """Two servers that do what the control plane says, over its API."""
    stop = threading.Event()

    def follow() -> None:
        epoch = 4
        while not stop.is_set():
            query = {"since": f'{{"{MODEL}": {epoch}}}', "wait": 1}
            for route in client.get("/api/v1/routes", params=query).json():
                if route["model"] == MODEL:
                    epoch = route["epoch"]
                    world.serve(MODEL, "edge-1", "edge-2", epoch=epoch)

    thread = threading.Thread(target=follow)
    thread.start()
    yield
    stop.set()
    thread.join()


def live(world: Any) -> dict[int, float]:
    route = world.container.ask(world.container.store.routes.current, MODEL)
    return {arm.version: arm.weight for arm in route.arms}


def test_stopping_a_canary_keeps_the_live_version(client: Client, registered: Any) -> None:
    assert "Version 3 stays live" in client.get(PATH).text
    with following(client, registered):
        answer = client.post(PATH, data={"to": "3", "keep": "3", "ends": "4"})
    assert answer.status_code == 200
    assert "The release of version 4 was stopped; version 3 answers every request." in answer.text
    assert "Every server confirmed within" in answer.text
    assert live(registered) == {3: 1.0}


def test_going_back_says_what_is_live_and_how_long_it_took(client: Client, registered: Any) -> None:
    with following(client, registered):
        answer = client.post(
            PATH, data={"to": "2", "keep": "3", "ends": "4", "reason": "<b>slow</b>"}
        )
        again = client.post(PATH, data={"to": "2"})
    assert answer.status_code == 200
    assert "Version 2 is live, in place of version 3." in answer.text
    assert "Every server confirmed within" in answer.text
    assert "&lt;b&gt;slow&lt;/b&gt;" in answer.text
    assert live(registered) == {2: 1.0}
    assert again.status_code == 409
    assert "live already" in again.text
    event = registered.container.ask(
        registered.container.store.events.list, model=MODEL, kinds=["route.changed"], limit=1
    )[0]
    assert event.actor == "dashboard"
    further = client.get(PATH).text
    assert "Version 1 will be live" in further
    assert '<option value="3">' in further


def test_servers_that_do_not_follow_are_named_as_the_trouble(
    client: Client, registered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "CONFIRM_SECONDS", 0.2)
    answer = client.post(PATH, data={"to": "2"})
    assert answer.status_code == 503
    assert "not every server has confirmed" in answer.text
    assert live(registered) == {2: 1.0}


@pytest.mark.parametrize("form", [{}, {"to": ""}, {"to": "two"}, {"to": "99"}, {"to": "9" * 50}])
def test_a_form_that_promised_nothing_changes_nothing(
    client: Client, registered: Any, form: dict[str, str]
) -> None:
    before = live(registered)
    answer = client.post(PATH, data=form)
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"].startswith("text/html")
    assert live(registered) == before


def test_too_long_a_form_is_refused(client: Client) -> None:
    assert client.post(PATH, data={"to": "2", "reason": "x" * 20_000}).status_code == 400


def test_another_sites_form_is_refused(client: Client, registered: Any) -> None:
    answer = client.post(PATH, data={"to": "2"}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert live(registered) == {3: 0.75, 4: 0.25}
