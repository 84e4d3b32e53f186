"""The charts of a report: what they show, and that nobody's words become markup."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from holdfast.control.report.drawings import Span, agreement, lanes, shape, slice_bar, volume
from holdfast.control.report.drift_map import drift_map
from holdfast.control.report.hindsight import hindsight
from holdfast.control.report.numbers import Bar, ColumnDrift, DriftBlock, SliceQuality
from holdfast.control.series import QualityPoint

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
EVIL = "<script>alert('x')</script>&"


def svg(text: str) -> ET.Element:
    return ET.fromstring(text)


def block(day: int, effect: float | None, *, moved: bool = False) -> DriftBlock:
    at = START + day * DAY
    return DriftBlock(at, at + DAY, 1, 900, effect, effect, effect, 0.1, 0.0, moved)


def drawn(columns: list[ColumnDrift], days: int, width: int = 1080) -> ET.Element:
    return svg(drift_map(columns, START, START + days * DAY, DAY, [START], width))


def test_a_cell_is_darker_the_further_it_is_and_red_once_it_is_shown() -> None:
    cells = [block(0, None), block(1, 0.04), block(2, 0.16), block(3, 0.3, moved=True)]
    found = drawn([ColumnDrift("heat", "rank distance", tuple(cells))], 4)
    kinds = [one.get("class") for one in found.iter("rect")]
    assert kinds == ["unknown", "still shade-0", "still shade-3", "moved shade-4"]


def test_of_many_blocks_the_one_that_moved_stands_for_the_others() -> None:
    cells = tuple(block(day, 0.05, moved=day == 100) for day in range(400))
    found = drawn([ColumnDrift("heat", "rank distance", cells)], 400, width=350)
    rects = list(found.iter("rect"))
    assert len(rects) < 100
    assert sum("moved" in str(one.get("class")) for one in rects) == 1
    assert max(float(one.get("x", 0)) + float(one.get("width", 0)) for one in rects) <= 350


def test_names_are_never_markup() -> None:
    texts = [
        drift_map([ColumnDrift(EVIL, "", (block(0, 0.1),))], START, START + DAY, DAY, [], 1080),
        lanes(START, START + DAY, [(EVIL, [Span(START, START + DAY, EVIL, EVIL, "bad")])], 1080),
        shape([Bar(EVIL, 0.5, 0.5)], EVIL, numeric=False),
        slice_bar(SliceQuality(EVIL, EVIL, 10, 10, 0.2, 0.1, 0.3, 0.2), 0.5),
    ]
    for text in texts:
        assert "<script>" not in text
        svg(text)


def test_spans_that_overlap_lie_below_each_other() -> None:
    spans = [Span(START + i * DAY, START + (i + 2) * DAY, f"v{i}", f"v{i}", "good")
             for i in range(3)]  # fmt: skip
    found = svg(lanes(START, START + 5 * DAY, [("releases", spans)], 1080))
    rows = [one.find("rect") for one in found.iter("g")]
    assert sorted(one.get("y", "") for one in rows if one is not None) == ["32.0", "6.0", "6.0"]


def test_volume_and_shapes_stay_inside() -> None:
    counts = [(START + i * DAY, n) for i, n in enumerate([0, 10, 1000])]
    assert len(list(svg(volume(counts, DAY, 350)).iter("rect"))) == 2
    svg(volume([(START, 1)], DAY, 350))
    bars = [Bar("below", 0, 0.1), Bar("0 to 1", 0.5, 0.2), Bar("1 to 2", 0.5, 0.7),
            Bar("above", 0, 0)]  # fmt: skip
    for numeric in (True, False):
        assert "70 %" in shape(bars, "heat", numeric=numeric)
    svg(shape([Bar("below", 0, 0), Bar("above", 0, 1)], "heat", numeric=True))


def test_estimates_are_judged_by_both_intervals() -> None:
    def point(day: int, realised: float, rows: int = 100) -> QualityPoint:
        at = START + day * DAY
        return QualityPoint(
            at, at + DAY, 1, rows, 100, realised, realised - 0.03, realised + 0.03, 0.2, 0.16, 0.24
        )

    points = [point(0, 0.21), point(1, 0.249), point(2, 0.251), point(3, 0.9, rows=1000)]
    found = hindsight(points)
    assert (found.blocks, found.agreed) == (3, 2)
    assert found.bias is not None
    assert round(found.bias, 4) == round(0.2 - (0.21 + 0.249 + 0.251) / 3, 4)
    drawing = svg(agreement(points[:3]))
    assert [one.get("class") for one in drawing.iter("g")] == ["agrees", "agrees", "differs"]


def test_a_line_of_a_slice_shows_its_value_however_long_the_column() -> None:
    cells = (block(0, 0.3, moved=True),)
    found = drawn([ColumnDrift("temperature_at_departure", "", cells, "origin=JFK")], 4)
    text = ET.tostring(found, encoding="unicode")
    assert "temperatur… · JFK</" in text
    assert "temperature_at_departure where origin=JFK" in text
