"""The numbers of a report, from a real installation with traffic, and from those without."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from holdfast.control.report.gather import report_of
from holdfast.control.report.lead import lead
from holdfast.control.report.page import html
from holdfast.errors import NotFoundError, UsageError

DAY = timedelta(days=1)


def test_ten_days_of_one_version(busy_home: Any) -> None:
    found = report_of(busy_home.container, "tiny")
    assert [(one.version, one.rows, one.failed) for one in found.traffic] == [(1, 2400, 4)]
    assert found.traffic[0].typical == pytest.approx(0.002)
    assert sum(count for _, count in found.volume) == 2400
    assert [point.rows for point in found.points] == [0, *[240] * 10]
    assert sum(point.labelled for point in found.points) == 2160
    assert [p.version for p in found.by_version] == [1]
    assert found.hindsight.blocks == 9
    assert found.hindsight.agreed >= 6
    heat = next(one for one in found.drift if one.column == "heat")
    assert found.drift[0].column == "prediction"
    assert [block.moved for block in heat.blocks][:6] == [False] * 6
    assert heat.moved >= 3
    assert heat.blocks[0].start == found.lived[0].since
    shares = {one.column: one for one in found.shares}
    assert shares["heat"].rows == 2400
    assert shares["heat"].outside > 0.1
    assert shares["size"].outside < 0.05
    assert sum(bar.window for bar in shares["heat"].bars) == pytest.approx(1)
    assert sum(bar.held_out for bar in shares["kind"].bars) == pytest.approx(1)
    assert {one.value for one in found.slices} == {"east", "west"}
    assert sum(one.rows for one in found.slices) == 2400
    assert sum(one.labelled for one in found.slices) == 2160
    assert all(one.held_out is not None for one in found.slices)
    text = " ".join(lead(found))
    assert "2,400 predictions were recorded; 4 failed (0.167 %)." in text
    assert "heat" in text
    assert any("240 of 2,400 predictions have no label yet" in one for one in found.unknown)
    page = html(found)
    assert "<script" not in page
    assert "What came in" in page
    assert page.count("<h1") == 1


def test_a_window_takes_its_part_only(busy_home: Any) -> None:
    begin = report_of(busy_home.container, "tiny").points[1].start
    start, end = begin + 2 * DAY, begin + 4 * DAY
    part = report_of(busy_home.container, "tiny", start, end)
    assert part.rows == 480
    assert [p.start for p in part.points] == [start, start + DAY]
    assert all(len(one.blocks) == 2 for one in part.drift)
    assert sum(one.rows for one in part.slices) == 480
    before = report_of(busy_home.container, "tiny", begin - 9 * DAY, begin - 8 * DAY)
    assert before.lived == ()
    assert before.unknown == (
        "No version was live in this window, so there is nothing to measure.",
    )
    assert "No version of tiny was live in this window." in html(before)


def test_numbers_are_json(busy_home: Any) -> None:
    found = report_of(busy_home.container, "tiny")
    known = msgspec.json.decode(msgspec.json.encode(found))
    assert known["lived"][0]["version"] == 1
    assert known["hindsight"]["blocks"] == 9


def test_a_version_that_was_never_asked(live: Any) -> None:
    live.later(hours=1)
    found = report_of(live.container, "tiny")
    assert [one.version for one in found.lived] == [1]
    assert found.traffic == ()
    text = html(found)
    assert "No predictions were recorded." in text
    assert "Nothing has been recorded yet." in text
    assert "The monitor has not looked at version 1" in text


def test_many_versions(busy: Any) -> None:
    found = report_of(busy.container, "flight-delay")
    assert [one.version for one in found.by_version] == [1, 2, 3]
    assert {one.id for one in found.incidents} == {"inc-open", "inc-closed"}
    assert {one.version for one in found.releases} >= {3, 4}
    assert [one.id for one in found.decisions] == ["dec-2", "dec-1"]
    assert {one.id for one in found.findings} == {"fnd-loss", "fnd-drift"}
    text = html(found)
    for said in ("after 2 other versions", "canary at 25 %", "visibility"):
        assert said in text
    assert "The measured loss of version 2 has been" in text


def test_what_is_wrong_is_said(busy: Any) -> None:
    now = busy.clock.now()
    with pytest.raises(UsageError, match="before it ends"):
        report_of(busy.container, "flight-delay", now, now - DAY)
    with pytest.raises(NotFoundError):
        report_of(busy.container, "nothing")
