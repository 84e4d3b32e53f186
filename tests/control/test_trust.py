"""How far to believe the monitor, in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Client

from holdfast.control.points import merged, points
from holdfast.control.quality import corrected
from holdfast.control.seen import (
    SeenCohort,
    SeenCorrected,
    SeenEstimate,
    SeenLook,
    SeenSelection,
    SeenStratum,
    SeenTrack,
    read_look,
)
from holdfast.control.trust import trust
from holdfast.loop.stints import Stint
from holdfast.records import Armed, Arming

AT = datetime(2013, 7, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def _look(**changes: Any) -> SeenLook:
    return SeenLook(**({"until": AT, "version": 1, "since": AT} | changes))


@pytest.mark.parametrize(
    ("blocks", "held", "badge", "said"),
    [
        (0, 0, "not judged yet", "No block has both"),
        (1, 1, "few blocks so far", "In 1 of 1 block the 95 % interval"),
        (20, 19, "as promised", "In 19 of 20 blocks"),
        (20, 17, "misses at times", "In 17 of 20 blocks"),
        (20, 9, "misses often", "In 9 of 20 blocks"),
    ],
)
def test_the_record_of_estimates(blocks: int, held: int, badge: str, said: str) -> None:
    bias, error = (-0.012, 0.02) if blocks else (None, None)
    (line,) = trust(_look(track=[SeenTrack("calibrated", blocks, held, bias, error)]))
    assert (line.what, line.badge.text) == ("Estimates by calibration", badge)
    assert said in line.said
    assert blocks == 0 or "off by 0.020 on average, and too low by 0.012 on the whole" in line.said


def test_labels_that_come_alike() -> None:
    (line,) = trust(_look(selection=SeenSelection(2000, 900, measured=0.2)))
    assert (line.what, line.badge.text) == ("Labels", "of all kinds alike")
    assert line.said == "45% of 2,000 predictions have one, no matter what the model answered."


def test_labels_that_come_for_some_kinds_only() -> None:
    least, most = SeenStratum("scored 0.8 to 1", 200, 2), SeenStratum("scored 0 to 0.1", 200, 190)
    found = SeenSelection(2000, 900, least, most, measured=0.2, loss=0.25, low=0.22, high=0.28)
    (line,) = trust(_look(selection=found))
    assert line.badge.text == "selective"
    assert "95% of those scored 0 to 0.1, but 1% of those scored 0.8 to 1." in line.said
    assert "Over all predictions it is 0.250 (0.220 to 0.280)" in line.said
    found = SeenSelection(2000, 900, least, most, 0.2, low=0.18, high=0.38, blind=0.1)
    (line,) = trust(_look(selection=found))
    assert line.badge.text == "partly blind"
    assert "Of 10% of the predictions nothing is known" in line.said
    assert line.said.endswith("anything from 0.180 to 0.380.")


def test_a_refused_estimate_says_why() -> None:
    refused = SeenEstimate(reason="cannot say: production can be told from the held-out rows")
    (line,) = trust(_look(track=[SeenTrack("adapted")], adapted=[refused]))
    assert "The newest refusal: cannot say: production can be told" in line.said


def test_the_rehearsal_of_monitors() -> None:
    def one(**changes: Any) -> Armed:
        given = {
            "monitor": "realised_loss", "budget": 0.5, "replayed": 0.1, "first": 0.1, "raised": 1.0,
            "armed": True, "sentence": "as rehearsed",
        } | changes  # fmt: skip
        return Armed(**given)

    monitors = (one(), one(armed=False), one(replayed=None, monitor="estimated_loss"))
    lines = trust(_look(arming=Arming(policy="p", monitors=monitors)))
    assert [line.badge.text for line in lines] == ["may page", "may not page", "not rehearsed"]
    assert lines[0].said == "As rehearsed."
    assert trust(None) == ()


def test_what_is_corrected_for_late_labels() -> None:
    young = SeenCohort(AT, 100, 40, 0.1, 0.08, 0.12, SeenCorrected(0.2, 0.15, 0.25))
    silent = SeenCohort(AT + DAY, 100, 9, 0.1, 0.0, 0.2, SeenCorrected(reason="too few labels"))
    whole = SeenCohort(AT - DAY, 100, 100, 0.1, 0.08, 0.12)
    assert corrected(_look(quality=[whole])) is None
    assert corrected(_look(quality=[whole, silent])).note == "too few labels"
    found = corrected(_look(quality=[whole, young, silent], tolerated=0.14))
    assert (found.value, found.badge.text) == (0.2, "above tolerance")
    assert found.note == "40 of 100 labelled so far"


def test_a_stretch_is_corrected_only_when_all_of_it_is_known() -> None:
    cohorts = [
        SeenCohort(AT, 100, 100, 0.1, 0.08, 0.12),
        SeenCohort(AT + DAY, 300, 40, 0.1, 0.08, 0.12, SeenCorrected(0.2, 0.15, 0.25)),
        SeenCohort(AT + 2 * DAY, 100, 9, 0.1, 0.0, 0.2, SeenCorrected(reason="too few labels")),
    ]

    def stretch(parts: list[SeenCohort]) -> Any:
        look = _look(quality=parts, starts=[one.start for one in parts], rows=[100] * len(parts))
        return merged(points([look], [Stint(1, AT, None)], DAY), 7 * DAY)[0]

    assert stretch(cohorts[:2]).corrected == pytest.approx(0.175)
    assert stretch(cohorts).corrected is None
    assert stretch(cohorts[:1]).corrected is None


def test_a_look_of_an_older_holdfast_shows_what_it_has() -> None:
    look = read_look(b'{"until": "2013-07-03T00:00:00Z", "version": 1, "since":'
                     b' "2013-07-03T00:00:00Z", "quality": [{"start": "2013-07-03T00:00:00Z",'
                     b' "rows": 9, "labelled": 3, "loss": 0.1}]}')  # fmt: skip
    assert trust(look) == ()
    assert corrected(look) is None


def test_the_pages_show_it(client: Client) -> None:
    for path in ("/models/flight-delay", "/models/flight-delay/report"):
        text = client.get(path).text
        assert "How far to believe the monitor" in text
        assert "0.02 false pages a month in 60 rehearsed months; 0.50 are granted." in text
        assert "In 21 of 22 blocks the 95 % interval held the loss" in text
        assert 'class="adapted-line"' in text
        assert 'class="corrected-dot"' in text
        assert "fewer than 30 labels" in text
    assert "Corrected for late labels</dt>" in client.get("/models/flight-delay").text
