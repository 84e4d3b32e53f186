"""``[[notify]]``: what each kind needs, what it refuses, and that no secret stands in the file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast.errors import SpecError
from holdfast.spec import parse_spec

BASE = """
[model]
name = "tiny"
task = "binary"
train = "tiny:train"
[data]
source = "rows/*.csv"
time = "at"
label = "bad"
features = ["size"]
[gate]
metric = "roc_auc"
"""
SLACK = '[[notify]]\nkind = "slack"\nurl = "$SLACK"\n'
MAIL = '[[notify]]\nkind = "email"\nhost = "mail"\nsender = "a@b.org"\nto = ["c@d.org"]\n'
HOOK = '[[notify]]\nkind = "webhook"\nurl = "https://example.org"\nsecret = "$S"\n'
HUB = '[[notify]]\nkind = "github"\nrepository = "a/b"\ntoken = "$T"\n'


def test_channels_are_read() -> None:
    spec = parse_spec(
        BASE + SLACK + 'on = ["alert"]\ntimeout = "5s"\n' + MAIL + HOOK + HUB
        + '[[notify]]\nkind = "pagerduty"\nname = "night"\nkey = "$K"\n'
        + '[[notify]]\nkind = "plugin"\ntoken = "$T"\nto = ["#channel@x"]\n'
    )  # fmt: skip
    assert [one.channel for one in spec.notify] == [
        "slack", "email", "webhook", "github", "night", "plugin",
    ]  # fmt: skip
    assert spec.notify[0].on == ("alert",)
    assert spec.notify[0].timeout == timedelta(seconds=5)
    assert spec.notify[1].on == ("page", "approval", "release")
    assert spec.notify[1].give_up == timedelta(days=1)
    assert parse_spec(BASE).notify == ()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (SLACK + 'urll = "x"\n', "spec.unknown_key", ["notify[0].urll", "'url'"]),
        (MAIL + SLACK + "issue = 1\n", "spec.wrong_value", ["notify[1].issue", "'slack'"]),
        ("[notify]\nkind = 'slack'\n", "spec.wrong_type", ["notify[0]", "[[notify]]"]),
        ("[[notify]]\nurl = '$X'\n", "spec.missing_key", ["notify[0].kind"]),
        ("[[notify]]\nkind = 'slack'\n", "spec.wrong_value", ["notify[0].url", "needs"]),
        (SLACK + "on = []\n", "spec.wrong_type", ["notify[0].on"]),
        (SLACK + 'on = ["pages"]\n', "spec.wrong_type", ["notify[0].on"]),
        (SLACK + 'timeout = "1h"\n', "spec.wrong_value", ["notify[0].timeout", "30s"]),
        (SLACK + 'timeout = "0s"\n', "spec.wrong_value", ["notify[0].timeout"]),
        (SLACK + 'timeout = "soon"\n', "spec.wrong_value", ["notify[0].timeout", "soon"]),
        (SLACK + SLACK, "spec.wrong_value", ["notify[1].name", "two channels", "'slack'"]),
        (SLACK.replace("$SLACK", "https://hooks/T0/hidden"), "spec.wrong_value",
         ["notify[0].url", "must not stand in the file", "$SLACK_URL"]),
        (HOOK.replace("$S", "hidden"), "spec.wrong_value", ["secret", "$WEBHOOK_SECRET"]),
        (HUB.replace("$T", "hidden"), "spec.wrong_value", ["token", "$GITHUB_TOKEN"]),
        (MAIL + 'user = "a"\npassword = "hidden"\n', "spec.wrong_value", ["$EMAIL_PASSWORD"]),
        (MAIL + 'password = "$P"\n', "spec.wrong_value", ["notify[0].user", "belong together"]),
        (MAIL + 'security = "none"\nuser = "a"\npassword = "$P"\n', "spec.wrong_value",
         ["notify[0].security", "in the clear"]),
        (MAIL.replace("c@d.org", "c@d.org, e@f.org"), "spec.wrong_value", ["notify[0].to"]),
        (MAIL.replace("a@b.org", "nobody"), "spec.wrong_value", ["notify[0].sender"]),
        (HUB.replace("a/b", "a"), "spec.wrong_value", ["notify[0].repository", "owner/name"]),
        (HUB + 'url = "http://hub.org"\n', "spec.wrong_value", ["notify[0].url", "use https"]),
        (HOOK.replace("https://", "https://me:hidden@"), "spec.wrong_value", ["notify[0].url"]),
        (HOOK.replace("https:", "file:"), "spec.wrong_value", ["notify[0].url", "not an http"]),
        ("[[notify]]\nkind = 'plugin'\ntoken = 'hidden'\n", "spec.wrong_value", ["$PLUGIN_TOKEN"]),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(text: str, code: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(BASE + text)
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value)
    assert "hidden" not in str(caught.value), "a secret is not repeated"


def test_a_webhook_may_go_to_plain_http_as_it_is_signed() -> None:
    assert parse_spec(BASE + HOOK.replace("https:", "http:")).notify[0].url == "http://example.org"
