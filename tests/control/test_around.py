"""What was seen around an incident."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Client

from holdfast.control.around import Window, causes, strength, window_of
from holdfast.records import Finding, Incident

AT = datetime(2013, 7, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def finding(**changes: Any) -> Finding:
    values = {
        "id": "fnd-1", "model": "m", "version": 1, "kind": "realised_loss", "subject": "loss",
        "pages": True, "since": AT - 5 * DAY, "at": AT, "sentence": "It rose.", "rows": 1830,
    } | changes  # fmt: skip
    return Finding(**values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Found 5 d after the first evidence, on 1,830 labels."),
        (
            {"log_threshold": 10.0, "log_e": 12.0},
            "at most once in 22,026 labels on average; its evidence was 7.4 times what that",
        ),
        ({"kind": "estimated_loss", "log_threshold": 4.1}, "at most once in 60 blocks on average."),
        ({"kind": "contract", "log_threshold": 4.1}, "on 1,830 predictions."),
        ({"kind": "silence", "rows": 0}, "Found 5 d after the first evidence."),
        ({"log_threshold": 4.0, "log_e": 900.0}, "over 1,000 times"),
    ],
)
def test_evidence_in_words(changes: dict[str, Any], said: str) -> None:
    assert said in strength(finding(**changes))


def test_the_window_reaches_from_before_the_evidence_to_after_the_end() -> None:
    story = Incident(id="i", model="m", version=1, state="open", title="t", opened_at=AT)
    assert window_of(story, [finding()], DAY, AT + 9 * DAY) == (AT - 19 * DAY, AT + 9 * DAY)
    ended = Incident(
        id="i", model="m", version=1, state="closed", title="t", opened_at=AT, closed_at=AT + DAY
    )
    assert window_of(ended, [], DAY, AT + 9 * DAY) == (AT - 14 * DAY, AT + 4 * DAY)


def test_without_a_look_it_is_not_known_what_moved() -> None:
    assert causes([], [], DAY, Window(AT, AT + DAY)) == ((), False)


def test_the_page_shows_quality_evidence_and_what_moved(client: Client) -> None:
    loss = client.get("/incidents/inc-closed").text
    assert "Found 3 d after the first evidence, on 1,830 labels." in loss
    assert 'class="chart quality"' in loss
    assert "No input was shown to have moved around this incident." in loss
    drift = client.get("/incidents/inc-open").text
    assert 'class="chart full map"' in drift
    assert '<th scope="row">visibility</th>' in drift


def test_the_page_names_the_causes_or_says_why_not(client: Client) -> None:
    loss = client.get("/incidents/inc-closed").text
    assert "The mean loss has risen by 0.045, as measured; of that visibility carries" in loss
    assert '<th scope="row">visibility <span class="sub">input</span></th>' in loss
    assert '<th scope="row">origin=EWR <span class="sub">slice</span></th>' in loss
    assert "46.7 %" in loss
    assert "36\u00a0% of it goes with no change of what comes in" in loss
    assert "carrier <span" not in loss
    drift = client.get("/incidents/inc-open").text
    assert "No causes can be named: the complete blocks since it began have fewer" in drift
    report = client.get("/models/flight-delay/report?from=2013-06-25").text
    assert "of that visibility carries" in report
