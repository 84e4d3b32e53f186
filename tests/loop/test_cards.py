"""Model cards: made of the records, kept with the version, safe with any name."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import NotFoundError
from holdfast.gate import card as cards
from holdfast.loop.cards import card_of
from holdfast.loop.gating import gate_now


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_card_says_what_the_version_is_and_what_the_gate_found(trained: Any) -> None:
    trained.edit("[data]", 'about = "For <b>tests</b>; not for people."\n[data]')
    trained.edit(
        "min = 0.6",
        'min = 0.6\nmax_calibration_error = 0.2\n'
        'fairness = [{column = "kind", measure = "accuracy", max_gap = 0.5}]',
    )  # fmt: skip
    verdict = gate_now(trained.container, "tiny", 3)
    names = [check.name for check in verdict.checks]
    assert {"artefact", "leakage", "fairness.kind.accuracy", "calibration"} <= set(names)
    version = trained.container.version("tiny", 3)
    kept = Path(version.bundle_path).parents[1]
    html, text = ((kept / name).read_text() for name in ("card.html", "card.md"))
    for said in ("tiny, version 3", version.dataset, version.bundle, version.run, "size"):
        assert said in html
        assert said.replace("_", "\\_") in text
    for check in verdict.checks:
        assert check.name in html
    assert "For &lt;b&gt;tests&lt;/b&gt;" in html
    assert "<b>tests" not in text.replace("\\<", "")
    page = _Page()
    page.feed(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if "src" in attrs or "href" in attrs]


def test_a_version_that_was_not_judged_has_a_card_too(trained: Any) -> None:
    card = card_of(trained.container, "tiny")
    assert card.title == "tiny, version 3"
    assert card.verdict == "not judged by the gate yet"
    assert "| size | double |" in cards.markdown(card)
    with pytest.raises(NotFoundError):
        card_of(trained.container, "tiny", 9)
