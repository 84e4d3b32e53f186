"""Orders given by forms: pause and resume, look after an incident and close it, go back by one
click.
"""

from typing import Any

import pytest
from httpx import Client

MODEL = "flight-delay"


@pytest.fixture
def client(registered: Any, run: Any) -> Any:
    with run(registered.container) as client:
        yield client


def told(world: Any, kind: str) -> Any:
    store = world.container.store
    return world.container.ask(store.events.list, model=MODEL, kinds=[kind], limit=1)[0]


def test_the_loop_is_paused_and_goes_on(client: Client, registered: Any) -> None:
    assert "Nothing is trained, released" in client.get(f"/models/{MODEL}/pause").text
    page = client.post(f"/models/{MODEL}/pause", data={"reason": "<i>moving house</i>"}).text
    assert "The loop is paused: &lt;i&gt;moving house&lt;/i&gt;." in page
    assert told(registered, "model.paused").actor == "dashboard"
    release = registered.container.ask(registered.container.store.releases.get, "rel-canary")
    assert "moving house" in release.notes[-1]
    assert "The loop goes on" in client.get(f"/models/{MODEL}/pause").text
    page = client.post(f"/models/{MODEL}/resume", data={"reason": "moved"}).text
    assert "The loop is paused" not in page
    assert "moved" in told(registered, "model.resumed").body["sentence"]
    assert client.post("/models/nothing/pause", data={}).status_code == 404


def test_an_incident_is_looked_after_and_closed(client: Client, registered: Any) -> None:
    page = client.get("/incidents/inc-open").text
    assert "nobody yet" in page
    page = client.post("/incidents/inc-open/acknowledge", data={"who": "<b>ana</b>"}).text
    assert "&lt;b&gt;ana&lt;/b&gt;" in page
    assert "I look after it" not in page
    again = client.post("/incidents/inc-open/acknowledge", data={"who": "ben"})
    assert again.status_code == 409
    page = client.post("/incidents/inc-open/close", data={"reason": "a new sensor"}).text
    assert "The incident was closed: a new sensor" in page
    assert "/close" not in page
    assert client.post("/incidents/inc-open/close", data={}).status_code == 409
    assert client.post("/incidents/nothing/close", data={}).status_code == 404


def test_any_version_that_was_live_is_one_click_away(client: Client, registered: Any) -> None:
    registered.serve(MODEL, "edge-1", "edge-2", epoch=99)  # servers that are never late
    page = client.get(f"/models/{MODEL}").text
    assert "Go back to version 1<" in page
    assert "Go back to version 2<" in page
    for never in (3, 4, 5):
        assert f"Go back to version {never}<" not in page
    page = client.post(f"/models/{MODEL}/rollback", data={"to": "1"}).text
    assert "Version 1 is live, in place of version 3." in page
    assert "Go back to version 3<" in page
    assert "Go back to version 1<" not in page


@pytest.mark.parametrize("path", [f"/models/{MODEL}/pause", "/incidents/inc-open/close"])
def test_another_sites_form_is_refused(client: Client, registered: Any, path: str) -> None:
    answer = client.post(path, data={}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert not registered.container.ask(registered.container.store.models.get, MODEL).paused
