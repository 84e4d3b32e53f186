"""``holdfast report`` as a shell sees it."""

import json
from typing import Any


def test_a_report_is_one_file_that_loads_nothing(live: Any, run: Any) -> None:
    done = run("report", "--out", "week.html", home=live)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == "written: week.html"
    text = (live.project / "week.html").read_text()
    assert "Report on tiny" in text
    for part in ("<script", "<link", 'src="', 'http-equiv="refresh'):
        assert part not in text


def test_the_numbers_for_machines(live: Any, run: Any) -> None:
    done = run("report", "--json", home=live)
    assert json.loads(done.out)["model"] == "tiny"
    assert not (live.project / "report.html").exists()


def test_a_project_that_was_never_trained(untrained: Any, run: Any) -> None:
    done = run("report", home=untrained)
    assert done.out.splitlines() == [
        "No version of tiny was live in this window.", "written: report.html"
    ]  # fmt: skip
    assert "Nothing was seen in this window." in (untrained.project / "report.html").read_text()


def test_a_window_must_make_sense(live: Any, run: Any) -> None:
    done = run("report", "--from", "2026-03-02", "--to", "2026-03-01", "--json", home=live)
    assert done.error["code"] == "report.window"
    assert run("report", "--from", "yesterday", home=live).status == 2
