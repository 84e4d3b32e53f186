"""What the pages say, asked of the real application."""

import shutil
from html.parser import HTMLParser
from typing import Any

import pytest
from httpx import Client

from holdfast.records import Incident, Metric, ReleaseState

MODEL = "flight-delay"
PAGES = ("/", f"/models/{MODEL}", "/models/churn", "/models/fares", f"/models/{MODEL}/history",
         f"/models/{MODEL}/rollback", "/incidents/inc-closed", "/incidents/inc-open",
         "/sign-in")  # fmt: skip


class Outline(HTMLParser):
    """Checks that elements nest, and collects what an audit of accessibility looks at."""

    void = {"meta", "link", "img", "input", "br"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found.append((tag, values))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.found)


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    return parser


def words(html: str) -> str:
    return " ".join(" ".join(outline(html).text).split())


def test_every_page_is_well_made_and_guarded(client: Client) -> None:
    for path in PAGES:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        page = outline(answer.text)
        assert page.open == []
        assert len(page.ids) == len(set(page.ids))
        assert page.count("h1") == 1
        assert page.count("table") == page.count("caption")
        assert not any("style" in attrs or "onclick" in attrs for _, attrs in page.found)
        for tag, attrs in page.found:
            for name in ("src", "href", "action"):
                assert not str(attrs.get(name) or "").startswith(("http:", "https:", "//")), tag
            if tag == "svg" and attrs.get("aria-hidden") is None:
                assert attrs.get("role") == "img"
                assert attrs.get("aria-label")


def test_static_files_are_served_and_kept(client: Client) -> None:
    page = outline(client.get("/").text)
    assets = [
        str(a.get("src") or a.get("href")) for tag, a in page.found if tag in ("script", "link")
    ]
    assert len(assets) == 4
    for asset in assets:
        answer = client.get(asset)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/../pages.py").status_code == 404
    assert client.get("/static/nothing.css").status_code == 404


def test_home_lists_models_in_every_state(client: Client, busy: Any) -> None:
    busy.add_model("broken")
    (busy.projects / "broken" / "holdfast.toml").write_text("[model]\nnam = 'x'\n")
    text = words(client.get("/").text)
    assert "open incident" in text
    assert "nothing live" in text
    assert "no server running" in text
    assert "cannot be shown" in text
    assert "there is no 'model.nam'" in text
    assert "version 4 canary at 25 %" in text
    assert "2,400" in text
    assert text.count("within tolerance") == 2


def test_home_without_models_says_what_to_run(world: Any, run: Any) -> None:
    with run(world.container) as client:
        text = words(client.get("/").text)
    assert "holdfast init" in text


def test_model_page_tells_its_story(client: Client) -> None:
    text = words(client.get(f"/models/{MODEL}").text)
    assert "version 3 since 2013-07-09 14:05" in text
    assert "v3 75 %, v4 25 % of requests" in text
    assert "done: 5 % of requests" in text
    assert "now: 25 % of requests" in text
    assert "to come: 50 % of requests" in text
    assert "Both versions have answered 3,210 of the same rows." in text
    assert "the mean loss is 0.004 lower than that of version 3" in text
    assert "visibility ✕" not in text  # the sign is drawn by the style sheet, not said
    assert "visibility moved" in text
    assert "temperature moving, not yet sure" in text
    assert "temperature where origin=JFK moved" in text
    assert "carrier where" not in text  # what did not move in a slice is not shown
    assert "Drift in slices: origin=EWR, origin=JFK; not enough data in 1 other slice." in text
    assert "not released" in text
    assert "skl2onnx has no converter for TargetEncoder" in text
    assert "where origin is LGA" in text
    assert "edge-1 up to date" in text
    assert "train queued" in text
    assert "All of the history" in text


def test_a_model_without_enough_data_says_so(client: Client) -> None:
    text = words(client.get("/models/fares").text)
    assert text.count("not enough data (150 rows)") == 7
    assert "without a label or enough for an estimate" in text
    assert "On held-out rows the loss was 0.142; up to 0.165 is tolerated." in text


def test_next_command_follows_the_model(client: Client, busy: Any) -> None:
    def asked() -> str:
        return words(client.get("/models/churn").text)

    assert "Next, run holdfast train" in asked()
    busy.add_version("churn", 1)
    assert "Next, run holdfast gate 1" in asked()
    verdict = busy.container.ask(busy.container.store.verdicts.latest, MODEL, 1)
    busy.verdict("churn", 1, *verdict.checks)
    assert "Next, run holdfast release 1" in asked()
    busy.go_live("churn", 1)
    assert "Next, run" not in asked()


def test_incident_is_told_in_order(client: Client) -> None:
    text = words(client.get("/incidents/inc-closed").text)
    told = ["measured loss monitor", "decision: retrain", "opened holdfast", "job done",
            "release moved", "closed The incident was closed: version 3 went live"]  # fmt: skip
    places = [text.index(one) for one in told]
    assert places == sorted(places)
    assert "canary" not in text


def test_what_others_wrote_is_never_markup(client: Client, busy: Any) -> None:
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>"
    store, at = busy.container.store, busy.clock.now()
    with store.begin() as tx:
        story = Incident(
            id="inc-evil", model=MODEL, version=3, state="open", title=evil, opened_at=at
        )
        store.incidents.save(tx, story)
        store.events.append(tx, at, "x", MODEL, evil, {"sentence": evil})
    for path in (f"/models/{MODEL}", "/incidents/inc-evil", f"/models/{MODEL}/history",
                 f"/models/{evil}", f"/sign-in?onward={evil}"):  # fmt: skip
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_history_pages_go_back_to_the_first_event(client: Client, busy: Any) -> None:
    for number in range(230):
        busy.tell("test.event", f"sentence number {number}")
    path, seen = f"/models/{MODEL}/history", []
    while path:
        page = outline(client.get(path).text)
        seen += [int(one) for one in page.text if one.isdigit()]
        older = [
            str(a["href"])
            for tag, a in page.found
            if tag == "a" and "before=" in str(a.get("href"))
        ]
        path = older[0] if older else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen))
    assert len(seen) >= 230 + 16


@pytest.mark.parametrize("path", ["/models/nope", "/models/nope/history", "/models/nope/rollback",
                                  "/incidents/nope"])  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_so(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-frame-options"] == "DENY"
    assert "nope" in words(answer.text)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_address_is_a_page_for_people_and_json_for_tools(
    client: Client, method: str
) -> None:
    path = "/nowhere" if method == "GET" else "/"
    page = client.request(method, path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == (404 if method == "GET" else 405)
    assert page.headers["content-type"].startswith("text/html")
    assert outline(page.text).count("h1") == 1
    assert page.headers["x-frame-options"] == "DENY"
    for answer in (
        client.request(method, path),
        client.request(method, f"/api{path}", headers={"Accept": "text/html"}),
    ):
        assert answer.json()["error"]["code"].startswith("http.40")


def test_pages_need_neither_bundles_nor_mlflow(client: Client, busy: Any) -> None:
    shutil.rmtree(busy.projects / "bundles")
    assert not (busy.container.settings.home / "mlflow.db").exists()
    for path in PAGES:
        assert client.get(path).status_code == 200, path
    for path in (f"/models/{MODEL}", f"/models/{MODEL}/versions", "/models",
                 f"/models/{MODEL}/live-at?time=2013-07-15T00:00:00Z"):  # fmt: skip
        assert client.get(f"/api/v1{path}").status_code == 200, path
    assert not (busy.container.settings.home / "mlflow.db").exists()


def test_an_interval_is_told_as_it_is(client: Client, busy: Any) -> None:
    lopsided = Metric(name="roc_auc", value=0.7, low=0.6, high=0.71)
    busy.add_version(MODEL, 6, metrics=(lopsided,))
    rows = client.get(f"/api/v1/models/{MODEL}/versions").json()
    assert rows[0]["metric"] == "roc_auc 0.700 (0.600–0.710)"


def test_the_chart_keeps_the_past_of_versions_that_were_replaced(client: Client) -> None:
    text = client.get(f"/models/{MODEL}").text
    page = outline(text)
    kinds = [str(attrs.get("class")) for tag, attrs in page.found if tag in ("path", "rect")]
    assert kinds.count("mark-version") == 2 * 3 + 1  # two charts and the legend
    assert kinds.count("tolerated") == 2 * 3 + 1
    first, *_, last = [one for one in page.text if ", version " in one and " to 2013-" in one]
    assert "version 1" in first
    assert "version 3" in last
    looks = client.get(f"/api/v1/models/{MODEL}/looks").json()
    assert [one["version"] for one in looks] == [1, 2, 3]
    assert client.get(f"/api/v1/models/{MODEL}/look").json() == looks[-1]


def test_nothing_to_go_back_to(client: Client) -> None:
    assert "Roll back" not in client.get("/models/fares").text
    answer = client.get("/models/fares/rollback")
    assert answer.status_code == 409
    assert "no earlier version" in words(answer.text)


def test_malformed_paging_is_refused(client: Client) -> None:
    answer = client.get(f"/models/{MODEL}/history?before=x")
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


def test_health_names_the_worst(client: Client, busy: Any) -> None:
    busy.serve("fares", "edge-9")
    assert "healthy" in words(client.get("/models/fares").text)
    busy.serve("fares", "edge-9", epoch=0)
    assert "has yet to follow epoch 1" in words(client.get("/models/fares").text)


def test_a_look_that_cannot_be_read_does_not_break_the_page(client: Client, busy: Any) -> None:
    store = busy.container.store
    with store.begin() as tx:
        one = next(time for time in store.looks.times(tx) if time.model == "fares")
        store.looks.save(tx, "fares", 1, one.since, one.at, b'{"until": 5}')
    assert "The monitor has not looked at it yet." in words(client.get("/models/fares").text)


def test_a_watched_release_shows_until_when(client: Client, busy: Any) -> None:
    busy.add_version("churn", 1)
    busy.go_live("churn", 1, ReleaseState.WATCHED)
    text = words(client.get("/models/churn").text)
    assert "now: live and watched until 2013-07-27 14:05" in text
    assert "It is the first version of this model" in text
