"""What commands print and leave behind, without a control plane."""

from __future__ import annotations

import io
import json
import sqlite3
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.cli.common import table


def test_train_says_what_it_does_when_asked(untrained: Any, run: Any) -> None:
    done = run("train", "-v", home=untrained)
    assert done.status == 0, done.err
    assert "registered tiny version 1" in done.out
    assert done.out.splitlines()[-1] == "next: holdfast gate 1"
    assert "… training on" in done.err
    assert "Traceback" not in done.err
    versions = json.loads(run("versions", "--json", home=untrained).out)
    assert [(v["version"]["number"], v["role"], v["verdict"]) for v in versions] == [(1, "", "")]


def test_a_verdict_for_people_and_machines(trained: Any, run: Any) -> None:
    done = run("gate", "3", "--junit", "gate.xml", "--markdown", "gate.md", home=trained)
    assert done.status == 0
    assert done.out.startswith("tiny version 3: pass (no champion yet)")
    suite = ET.parse(trained.project / "gate.xml").getroot()
    assert len(list(suite.iter("testcase"))) == len(done.out.splitlines()) - 2
    assert done.out.splitlines()[-1].startswith("next: holdfast release 3")
    assert "metric.min" in (trained.project / "gate.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "status", "outcome"),
    [
        ("min = 0.6", "min = 0.99", 1, "fail"),
        ("margin = 0.05", "margin = 0.001", 3, "inconclusive"),
    ],
)
def test_the_exit_status_is_the_verdict(
    live: Any, run: Any, old: str, new: str, status: int, outcome: str
) -> None:
    live.edit(old, new)
    done = run("gate", "3", "--json", home=live)
    assert (done.status, json.loads(done.out)["outcome"]) == (status, outcome)


def test_a_card_for_people_and_machines(trained: Any, run: Any) -> None:
    assert run("card", home=trained).out.startswith("# tiny, version 3\n")
    done = run("card", "2", "--html", "card.html", "--markdown", "card.md", home=trained)
    assert done.out.splitlines() == ["written: card.html", "written: card.md"]
    assert "<h1>tiny, version 2</h1>" in (trained.project / "card.html").read_text()
    assert "# tiny, version 2" in (trained.project / "card.md").read_text()
    assert json.loads(run("card", "1", "--json", home=trained).out)["title"] == "tiny, version 1"
    assert run("card", "9", home=trained).status == 1


def test_release_and_roll_back_without_a_control_plane(trained: Any, run: Any) -> None:
    assert "version 1: watched" in run("release", "1", home=trained).out
    assert "version 2: watched" in run("release", "2", "--wait", home=trained).out
    trained.later(hours=1)
    done = run("rollback", "--why", "slow", home=trained)
    assert done.status == 0
    assert "version 1 is live again; no server is running" in done.out
    assert "version 1 is live" in run("status", home=trained).out
    roles = [line.split()[:2] for line in run("versions", home=trained).out.splitlines()[1:]]
    assert roles[1:] == [["2", "rolled"], ["1", "live"]]
    canary = run("release", "2", "--strategy", "canary", "--json", home=trained)
    assert json.loads(canary.out)["state"] == "canary"
    stopped = run("release", "2", "--abort", "no traffic", home=trained)
    assert "version 2: aborted; no traffic" in stopped.out
    history = run("history", "--limit", "3", home=trained).out
    assert len(history.splitlines()) == 4
    assert "no traffic" in history
    at = trained.clock.now().isoformat()
    told = run("live-at", at, home=trained)
    assert told.out.splitlines()[0].endswith("version 1 (100%)")
    assert "evidence: event" in told.out


def test_labels_from_standard_input(live: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"row,bad,known\na,true,2026-03-01T10:00:00Z\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(rows)))
    done = run("labels", "add", "-", "--format", "csv", home=live)
    assert done.status == 0, done.err
    assert done.out.startswith("1 labels: 1 new, 0 corrected, 0 already known; 1 belong to no")
    (live.project / "bad.csv").write_text("row,bad\na,perhaps\n")
    bad = run("labels", "add", "bad.csv", "--json", home=live)
    assert (bad.status, bad.error["code"]) == (1, "labels.bad_rows")


def test_the_audit_log_shows_whoever_touched_it(live: Any, run: Any) -> None:
    assert run("audit", "verify", home=live).out.startswith("intact: ")
    lines = run("audit", "export", home=live).out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))
    live.container.store.close()
    with sqlite3.connect(live.home / "holdfast.db") as database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
        ).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE events SET record = replace(record, 'live', 'dead') WHERE seq > 2")
    database.close()
    done = run("audit", "verify", "--json", home=live)
    assert done.status == 1
    assert done.error["code"].startswith("audit.")


def test_nothing_is_wrong(live: Any, run: Any) -> None:
    assert run("incidents", home=live).out == "nothing is wrong\n"
    assert run("incidents", "--all", home=live).out == "nothing was ever wrong\n"
    assert json.loads(run("incidents", "--json", home=live).out) == []


def test_an_empty_table_has_a_header() -> None:
    assert list(table(["a", "b"], [])) == ["a  b"]
    assert list(table(["a"], [[None]])) == ["a", "–"]


def test_a_control_plane_that_was_named_must_answer(
    live: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (live.home / "run").mkdir(exist_ok=True)
    (live.home / "run" / "control.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    assert run("rollback", "--json", home=live).error["code"] == "release.nothing_before"
    named = live.holdfast(
        "rollback", "--json", status=None, HOLDFAST_CONTROL_URL="http://127.0.0.1:9"
    )
    assert json.loads(named.stderr)["error"]["code"] == "control.unreachable"
