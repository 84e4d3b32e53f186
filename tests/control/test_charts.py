from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from holdfast.control.axes import nice_ticks, runs, time_ticks
from holdfast.control.charts import effect_bar, quality_chart, sparkline, trend
from holdfast.control.panels import Mark, QualityPoint

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
    result = []
    for place in range(draw(st.integers(1, 12))):
        r, e, rows = draw(maybe), draw(maybe), draw(st.integers(0, 10**6))
        result.append(
            QualityPoint(
                start=START + place * DAY, rows=rows,
                labelled=rows // 2 if r is not None else 0, realised=r, realised_low=r and r / 2,
                realised_high=None if r is None else min(r + 0.1, 1), estimated=e,
                estimated_low=e and e / 2, estimated_high=None if e is None else min(e + 0.1, 1),
            )
        )  # fmt: skip
    return result


@given(points(), maybe, maybe)
def test_any_quality_is_drawn_within_its_frame(
    series: list[QualityPoint], reference: float | None, tolerated: float | None
) -> None:
    limit = None if tolerated is None else max(tolerated, reference or 0.0)
    marks = [
        Mark(START - 99 * DAY, "version", "v0"),
        Mark(START, "version", "v1"),
        Mark(START + DAY, "finding", "loss"),
    ]
    svg = quality_chart(
        series, marks, reference=reference, tolerated=limit, block=DAY, width=400, height=200
    )
    root = parsed(svg)
    assert is_labelled(root)
    measured = [point for point in series if point.realised is not None]
    circles = root.findall("circle")
    assert len(circles) == len(measured)
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= 400
        assert 0 <= float(circle.attrib["cy"]) <= 200
    assert "v0" not in str(svg)


def test_a_gap_breaks_the_line() -> None:
    series = [
        QualityPoint(start=START + i * DAY, rows=9, estimated=e, estimated_low=e, estimated_high=e)
        for i, e in enumerate([0.1, 0.1, None, 0.2, 0.2])
    ]
    root = parsed(quality_chart(series, (), reference=None, tolerated=None, block=DAY))
    lines = [one for one in root.findall("polyline") if one.get("class") == "estimated-line"]
    assert len(lines) == 2


def test_labels_that_are_still_missing_are_seen_without_colour() -> None:
    series = [
        QualityPoint(START, 100, labelled=n, realised=0.1, realised_low=0.1, realised_high=0.2)
        for n in (100, 40)
    ]
    root = parsed(quality_chart(series, (), reference=None, tolerated=None, block=DAY))
    assert [one.get("class") for one in root.findall("circle")] == [
        "realised-dot", "realised-dot young",
    ]  # fmt: skip


def test_text_of_users_cannot_become_markup() -> None:
    point = QualityPoint(START, 9, labelled=9, realised=0.1, realised_low=0.1, realised_high=0.1)
    mark = Mark(START, "finding", "<script>alert(1)</script>&")
    svg = quality_chart([point], [mark], reference=None, tolerated=None, block=DAY)
    assert "<script" not in svg
    assert "<script" not in effect_bar(0.1, 0.1, 0.1, 0.1, 1.0, moved=False, what="<script>")
    assert "<script" not in trend([0.1], 0.1, 1.0, "<script>")
    parsed(svg)


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
