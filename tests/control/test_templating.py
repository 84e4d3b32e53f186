"""Pages that stand alone: one file, no script, nothing from elsewhere, nobody else's markup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import jinja2
import pytest

from holdfast.control.templating import inlined, standalone, static_files, templates

AT = datetime(2013, 7, 3, 6, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    title: str
    at: datetime = AT


def test_a_page_that_stands_alone_loads_nothing() -> None:
    text = standalone("standalone.html", Page("Week 27"))
    assert text.count("<h1") == 0
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert "<link" not in text
    assert "src=" not in text
    assert "url(" not in text
    assert "--page: #ffffff" in text
    assert "2013-07-03 06:30" in text


def test_what_others_wrote_is_never_markup() -> None:
    text = standalone("standalone.html", Page("</title><script>alert(1)</script>"))
    assert "<script>alert" not in text


def test_sheets_can_be_inlined() -> None:
    for name in ("holdfast.css", "standalone.css"):
        assert "</style" not in inlined(name)
    assert static_files()["mark.svg"][1] == "image/svg+xml"


def test_a_name_that_the_page_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        templates().from_string("{{ nothing }}").render()
