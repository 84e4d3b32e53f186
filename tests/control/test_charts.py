from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.control.axes import nice_ticks, runs, time_ticks
from holdfast.control.charts import effect_bar, sparkline, trend
from holdfast.control.points import grain, merged
from holdfast.control.points import points as series_of
from holdfast.control.quality_chart import quality_chart
from holdfast.control.seen import SeenCohort, SeenLook
from holdfast.control.series import Level, Mark, QualityPoint
from holdfast.loop.stints import Stint

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
losses = st.floats(0, 1)
maybe = st.none() | losses


def parsed(svg: object) -> ET.Element:
    text = str(svg)
    assert "nan" not in text
    assert "inf" not in text
    return ET.fromstring(text)


def is_labelled(root: ET.Element) -> bool:
    return root.get("role") == "img" and bool(root.get("aria-label")) and root[0].tag == "title"


@st.composite
def points(draw: st.DrawFn) -> list[QualityPoint]:
    """Blocks in a row, of one version after another, with gaps."""
    result, version = [], 1
    for place in range(draw(st.integers(1, 40))):
        version += draw(st.booleans()) and draw(st.booleans())
        r, e, rows = draw(maybe), draw(maybe), draw(st.integers(0, 10**6))
        result.append(
            QualityPoint(
                start=START + place * DAY, end=START + (place + 1) * DAY, version=version,
                rows=rows, labelled=rows // 2 if r is not None else 0, realised=r,
                realised_low=r and r / 2, realised_high=None if r is None else min(r + 0.1, 1),
                estimated=e, estimated_low=e and e / 2,
                estimated_high=None if e is None else min(e + 0.1, 1),
            )
        )  # fmt: skip
    return result


def point(day: int, version: int = 1, **values: Any) -> QualityPoint:
    begin = START + day * DAY
    return QualityPoint(start=begin, end=begin + DAY, version=version, rows=100, **values)


def classes_of(root: ET.Element, kind: str) -> list[ET.Element]:
    return [one for one in root if kind in str(one.get("class")).split()]


@given(points(), maybe, maybe)
def test_any_quality_is_drawn_within_its_frame(
    series: list[QualityPoint], reference: float | None, tolerated: float | None
) -> None:
    limit = None if tolerated is None else max(tolerated, reference or 0.0)
    levels = [
        Level(0, START - 99 * DAY, START - DAY, reference, limit),
        Level(1, START - DAY, START + DAY, reference, limit),
        Level(2, START + DAY, None, None, limit),
    ]
    marks = [
        Mark(START - 99 * DAY, "version", "v0"),
        Mark(START, "version", "v1"),
        Mark(START + DAY, "finding", "loss"),
    ]
    svg = quality_chart(series, marks, levels, width=400, height=200)
    root = parsed(svg)
    assert is_labelled(root)
    measured = [point for point in series if point.realised is not None]
    circles = root.findall("circle")
    assert len(circles) == len(measured)
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= 400
        assert 0 <= float(circle.attrib["cy"]) <= 200
    assert "v0" not in str(svg)


def test_a_gap_and_another_version_break_the_line() -> None:
    losses = [(1, 0.1), (1, 0.1), (1, None), (1, 0.2), (1, 0.2), (2, 0.2), (2, 0.2)]
    series = [
        point(i, version, estimated=e, estimated_low=e, estimated_high=e)
        for i, (version, e) in enumerate(losses)
    ]
    root = parsed(quality_chart(series, (), ()))
    lines = [one for one in root.findall("polyline") if one.get("class") == "estimated-line"]
    assert len(lines) == 3


def test_levels_step_where_versions_change() -> None:
    levels = [
        Level(1, START - DAY, START + DAY, 0.1, 0.2),
        Level(2, START + DAY, None, 0.15, 0.25),
    ]
    series = [point(day, realised=0.1, realised_low=0.1, realised_high=0.1) for day in range(4)]
    root = parsed(quality_chart(series, (), levels, width=454))
    bands = classes_of(root, "band")
    assert [(float(b.attrib["x"]), float(b.attrib["width"])) for b in bands] == [
        (44, 100), (144, 300),
    ]  # fmt: skip
    assert float(bands[0].attrib["y"]) > float(bands[1].attrib["y"])
    assert len(classes_of(root, "reference")) == len(classes_of(root, "tolerated")) == 2


def test_labels_that_are_still_missing_are_seen_without_colour() -> None:
    series = [
        point(day, labelled=n, realised=0.1, realised_low=0.1, realised_high=0.2)
        for day, n in enumerate((100, 40))
    ]
    root = parsed(quality_chart(series, (), ()))
    assert [one.get("class") for one in root.findall("circle")] == [
        "realised-dot", "realised-dot young",
    ]  # fmt: skip


def test_text_of_users_cannot_become_markup() -> None:
    one = point(0, labelled=9, realised=0.1, realised_low=0.1, realised_high=0.1)
    mark = Mark(START, "finding", "<script>alert(1)</script>&")
    svg = quality_chart([one], [mark], ())
    assert "<script" not in svg
    assert "<script" not in effect_bar(0.1, 0.1, 0.1, 0.1, 1.0, moved=False, what="<script>")
    assert "<script" not in trend([0.1], 0.1, 1.0, "<script>")
    parsed(svg)


@given(points(), st.integers(1, 60))
def test_merging_keeps_what_was_counted_and_where_it_was(
    series: list[QualityPoint], most: int
) -> None:
    length = grain(series, DAY, most)
    result = merged(series, length)
    versions = len({one.version for one in series})
    assert len(result) <= min(len(series), most + 2 * versions)
    assert sum(one.rows for one in result) == sum(one.rows for one in series)
    assert [one.version for one in result] == sorted(one.version for one in result)
    for one in result:
        part = [p for p in series if p.version == one.version and one.start <= p.start < one.end]
        for value in ("realised", "estimated"):
            known = [v for p in part if (v := getattr(p, value)) is not None]
            mean = getattr(one, value)
            if mean is None:
                continue
            assert min(known) - 1e-9 <= mean <= max(known) + 1e-9
            assert getattr(one, f"{value}_low") <= mean + 1e-9
            assert getattr(one, f"{value}_high") >= mean - 1e-9


def test_merged_intervals_narrow_as_labels_add_up() -> None:
    series = [
        point(i, labelled=100, realised=0.2, realised_low=0.18, realised_high=0.22)
        for i in range(4)
    ]
    (one,) = merged(series, 4 * DAY)
    assert one.realised_low == pytest.approx(0.19)
    assert one.realised_high == pytest.approx(0.21)
    assert one.end == START + 4 * DAY


@pytest.mark.parametrize(
    ("blocks", "block", "most", "expected"),
    [(30, DAY, 75, DAY), (180, DAY, 75, 7 * DAY), (180, DAY, 100, 2 * DAY),
     (100, DAY / 24, 40, DAY / 8), (100, DAY / 24 * 5, 40, DAY / 24 * 15)],
)  # fmt: skip
def test_points_stand_for_round_times(
    blocks: int, block: timedelta, most: int, expected: timedelta
) -> None:
    series = [
        QualityPoint(start=START + i * block, end=START + (i + 1) * block, version=1, rows=1)
        for i in range(blocks)
    ]
    assert grain(series, block, most) == expected


def test_blocks_are_cut_where_another_version_took_over() -> None:
    noon = START + DAY / 2

    def look(version: int, since: datetime, days: int) -> SeenLook:
        start = since.replace(hour=0)
        cohorts = [SeenCohort(start + i * DAY, 9, 9, 0.1, 0.1, 0.1) for i in range(days)]
        return SeenLook(until=noon, version=version, since=since, quality=cohorts)

    lived = [Stint(1, START, noon + DAY), Stint(2, noon + DAY, noon + DAY * 2),
             Stint(1, noon + DAY * 2, None)]  # fmt: skip
    looks = [look(1, START, 3), look(1, noon + 2 * DAY, 2), look(7, START, 1)]
    series = series_of(looks, lived, DAY)
    spans = [(one.version, (one.start - START) / DAY, (one.end - START) / DAY) for one in series]
    assert spans == [
        (1, 0, 1), (1, 1, 1.5), (1, 2.5, 3), (1, 3, 4),
    ]  # fmt: skip


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=48))
def test_sparkline_says_what_it_shows(counts: list[int]) -> None:
    root = parsed(sparkline(counts, "Predictions"))
    assert is_labelled(root)
    assert f"{sum(counts):,}" in str(root.get("aria-label"))
    assert all(0 < float(bar.attrib["height"]) <= 28 for bar in root.iter("rect"))


@given(maybe, losses)
def test_effect_bar_stays_in_its_track(effect: float | None, floor: float) -> None:
    bar = effect_bar(effect, effect, effect, floor, 1.0, moved=True, what="x")
    assert is_labelled(parsed(bar))
    assert ("not enough data" in bar) == (effect is None)


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_ticks_span_the_range(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    assert ticks[0] <= low * (1 + 1e-6) + 1e-6
    assert ticks[-1] >= (low + span) * (1 - 1e-6) - 1e-6
    assert len(ticks) <= 8


@given(st.integers(1, 3000), st.integers(2, 12))
def test_time_ticks_are_few_and_inside(hours: int, most: int) -> None:
    end = START + timedelta(hours=hours)
    ticks = time_ticks(START, end, most)
    assert len(ticks) <= most + 1
    assert all(START <= tick <= end for tick in ticks)


@given(st.lists(st.booleans()))
def test_runs_are_the_true_stretches(flags: list[bool]) -> None:
    inside = {place for run in runs(flags) for place in run}
    assert inside == {place for place, flag in enumerate(flags) if flag}
