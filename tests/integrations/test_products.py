"""What each product gets: its form, its marker of repetitions, and nothing it should not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import defaultdict
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from holdfast.errors import DeliveryError
from holdfast.integrations.github import GitHub
from holdfast.integrations.pagerduty import PagerDuty
from holdfast.integrations.slack import LONGEST_HEADER, LONGEST_TEXT, Slack
from holdfast.integrations.webhook import Webhook
from holdfast.ports.notifier import GROUP
from holdfast.records import Fact, Notification
from holdfast.spec import Notify
from holdfast.spec.channels import KINDS

KEY = b"0123456789abcdefghijklmnopqrstuv"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EVENTS = ["opened", "worse", "acknowledged", "closed", "waiting", "answered", "ended", "test"]
CHANNELS = {
    "webhook": {"url": "https://example.org", "secret": "$HOOK"},
    "slack": {"url": "$SLACK"},
    "email": {"host": "mail.example", "sender": "loop@example.org", "to": ("ops@example.org",)},
    "pagerduty": {"key": "$PAGER"},
    "github": {"repository": "acme/churn", "token": "$HUB"},
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("kind", sorted(CHANNELS))
def test_every_kind_shows_every_event_without_network_or_secret(
    kind: str, event: str, told: Any
) -> None:
    """What a notifier must do, whatever its product."""
    assert sorted(CHANNELS) == sorted(KINDS)
    (point,) = entry_points(group=GROUP, name=kind)
    notifier = point.load()(Notify(kind=kind, **CHANNELS[kind]))
    message = told(event)
    text = notifier.payload(message)
    assert text == notifier.payload(message), "the same each time"
    flat = "".join(text.replace("=\n", "").split())
    assert message.id in flat, "a repetition can be told"
    for words in ("something is wrong", "Since", "2026-03-03 06:00 UTC", "incidents --model churn"):
        assert "".join(words.split()) in flat


def test_a_webhook_is_verified_by_its_receiver(receiver: Any, told: Any) -> None:
    """As any library for Standard Webhooks does it, written out."""
    notifier = Webhook(Notify(kind="webhook", url=f"{receiver.url}/hook", secret=SECRET))
    assert notifier.send(told()) == "200 ok"
    assert notifier.send(told()) == "200 ok"
    for got in receiver.got:
        identifier, moment = got.headers["webhook-id"], got.headers["webhook-timestamp"]
        assert abs(int(moment) - time.time()) < 300
        signed = b".".join([identifier.encode(), moment.encode(), got.body])
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert got.headers["webhook-signature"] == f"v1,{expected}"
        wrong = hmac.new(KEY, signed + b" ", hashlib.sha256).digest()
        assert base64.b64encode(wrong).decode() not in got.headers["webhook-signature"]
    first, again = receiver.got
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == told().id
    body = json.loads(first.body)
    assert body["type"] == "holdfast.opened"
    assert body["data"]["facts"][1] == {"name": "Since", "text": "2026-03-03 06:00 UTC"}
    assert not {"said", "attempts", "state"} & body["data"].keys()


@pytest.mark.parametrize(
    "secret", ["", "hello", "whsec_", "whsec_short", "whsec_" + "?" * 40,
               base64.b64encode(KEY).decode()],
)  # fmt: skip
def test_a_weak_secret_signs_nothing(receiver: Any, told: Any, secret: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        Webhook(Notify(kind="webhook", url=receiver.url, secret=secret)).send(told())
    assert caught.value.code == "notify.webhook_secret"
    assert not secret or secret not in str(caught.value).replace("whsec_", "", 1) or len(secret) < 7
    assert receiver.got == []


def test_slack_gets_blocks_that_mention_nobody(receiver: Any, told: Any, reply: Any) -> None:
    notifier = Slack(Notify(kind="slack", url=f"{receiver.url}/T000/hidden"))
    long = told(title="t" * 400, facts=(Fact(name="What happened", text="<!here> " * 1000),))
    assert notifier.send(long) == "200 ok"
    body = json.loads(receiver.got[0].body)
    header, section, small = body["blocks"]
    assert len(header["text"]["text"]) == LONGEST_HEADER
    assert len(section["text"]["text"]) == LONGEST_TEXT
    assert "<!here>" not in json.dumps(body)
    assert long.id in small["elements"][0]["text"]
    receiver.answer = lambda _: reply(body=b"<html>a login page</html>")
    with pytest.raises(DeliveryError, match="not_slack"):
        notifier.send(told())


def test_pagerduty_triggers_acknowledges_and_resolves_one_alert(
    receiver: Any, told: Any, reply: Any
) -> None:
    receiver.answer = lambda _: reply(status=202, body=b'{"status":"success"}')
    notifier = PagerDuty(Notify(kind="pagerduty", key="r" * 32, url=receiver.url))
    for event in ("opened", "opened", "worse", "acknowledged", "closed"):
        assert notifier.send(told(event)).startswith("202")
    sent = [json.loads(got.body) for got in receiver.got]
    assert {got.path for got in receiver.got} == {"/v2/enqueue"}
    assert [event["event_action"] for event in sent] == [
        "trigger", "trigger", "trigger", "acknowledge", "resolve",
    ]  # fmt: skip
    assert {event["dedup_key"] for event in sent} == {"inc-1"}, "PagerDuty makes them one"
    assert {event["routing_key"] for event in sent} == {"r" * 32}
    first = sent[0]["payload"]
    assert first["severity"] == "critical"
    assert first["timestamp"] == "2026-03-03T12:00:00+00:00"
    assert first["custom_details"]["id"] == told().id
    receiver.got.clear()
    notifier.send(told("test", story="test-1"))
    actions = [json.loads(got.body)["event_action"] for got in receiver.got]
    assert actions == ["trigger", "resolve"], "no alert stays open"


class FakeHub:
    """Issues and comments, by GitHub's rules for these four calls."""

    def __init__(self, reply: Any) -> None:
        self.issues: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._reply = reply
        self.tokens: set[str] = set()

    def __call__(self, got: Any) -> Any:
        self.tokens.add(got.headers["authorization"])
        parts = urlsplit(got.path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        root, _, rest = parts.path.partition("/issues")
        assert root == "/repos/acme/churn"
        status, value = self._do(got, rest.strip("/"), query)
        return self._reply(status=status, body=json.dumps(value).encode())

    def _do(self, got: Any, rest: str, query: dict[str, str]) -> tuple[int, Any]:
        if got.method == "GET" and not rest:
            assert query["state"] == "all"
            return 200, self._page(self.issues[::-1], query)
        if not rest:
            new = {"number": len(self.issues) + 1, "state": "open", **json.loads(got.body)}
            self.issues.append(new)
            return 201, new
        number, _, what = rest.partition("/")
        issue = self.issues[int(number) - 1]
        if what == "comments" and got.method == "GET":
            return 200, self._page(self.comments[int(number)], query)
        if what == "comments":
            self.comments[int(number)].append(json.loads(got.body))
            return 201, json.loads(got.body)
        if got.method == "PATCH":
            issue.update(json.loads(got.body))
        return 200, issue

    def _page(self, items: list[Any], query: dict[str, str]) -> list[Any]:
        assert query["since"].endswith("Z")
        size, page = int(query["per_page"]), int(query["page"])
        return items[(page - 1) * size : page * size]


@pytest.fixture
def hub(receiver: Any, reply: Any) -> FakeHub:
    receiver.answer = FakeHub(reply)
    return receiver.answer


def _github(receiver: Any, **more: Any) -> GitHub:
    return GitHub(
        Notify(kind="github", url=receiver.url, repository="acme/churn", token="t0", **more)
    )


def test_github_opens_an_issue_for_each_story_and_closes_it(
    receiver: Any, hub: FakeHub, told: Any
) -> None:
    for number in range(120):  # other people's, so that the search goes beyond a page
        hub.issues.append({"number": number + 1, "state": "open", "body": None, "title": "x"})
    github = _github(receiver)
    assert github.send(told("opened")) == "opened issue 121"
    assert github.send(told("opened")) == "issue 121 has it already"
    for number in range(121, 240):
        hub.issues.append({"number": number + 1, "state": "open", "body": "y", "title": "x"})
    assert github.send(told("worse")) == "commented on issue 121"
    assert github.send(told("worse")) == "issue 121 has it already"
    assert github.send(told("opened", story="inc-10")) == "opened issue 241"
    assert github.send(told("closed")) == "commented on issue 121"
    assert github.send(told("closed")) == "issue 121 has it already"
    assert [issue["state"] for issue in hub.issues].count("closed") == 1
    assert hub.issues[120]["state"] == "closed"
    assert len(hub.comments[121]) == 2
    assert hub.tokens == {"Bearer t0"}
    body = hub.issues[120]["body"]
    assert "@here" not in body
    assert "\\<script\\>" in body


def test_github_finishes_what_it_began(receiver: Any, hub: FakeHub, told: Any) -> None:
    """Killed after the comment and before the issue was closed."""
    github = _github(receiver)
    github.send(told("opened"))
    github.send(told("closed"))
    hub.issues[0]["state"] = "open"
    assert github.send(told("closed")) == "issue 1 has it already"
    assert hub.issues[0]["state"] == "closed"


def test_github_comments_on_the_issue_that_is_named(receiver: Any, hub: FakeHub, told: Any) -> None:
    hub.issues.append({"number": 1, "state": "open", "body": None, "title": "Operations"})
    github = _github(receiver, issue=1)
    events = ("opened", "opened", "closed", "ended")
    said = [github.send(told(event)) for event in events]
    assert said[1] == "issue 1 has it already"
    assert len(hub.comments[1]) == 3
    assert hub.issues[0]["state"] == "open"


def test_an_answer_that_is_no_json(receiver: Any, told: Any) -> None:
    with pytest.raises(DeliveryError) as caught:
        _github(receiver).send(told())
    assert caught.value.code == "notify.answer"


def test_the_id_follows_from_channel_and_cause(told: Any) -> None:
    one: Notification = told()
    assert one.id == told().id
    assert len({told(event).id for event in EVENTS}) == len(EVENTS)
