"""The style sheet: colours that can be read, light and dark."""

import re
from pathlib import Path

import pytest

import holdfast.control

STATIC = Path(holdfast.control.__file__).parent / "static"
SHEET = (STATIC / "holdfast.css").read_text(encoding="utf-8")
PAIRS = [
    ("text", "page"), ("text", "raised"), ("soft", "page"), ("soft", "raised"), ("link", "page"),
    ("good", "good-bg"), ("warn", "warn-bg"), ("bad", "bad-bg"), ("busy", "busy-bg"),
    ("soft", "quiet-bg"), ("bad", "page"), ("page", "bad"), ("page", "link"), ("good", "page"),
]  # fmt: skip
MARKS = [("realised", "page"), ("estimated", "page"), ("focus", "page"), ("bad", "band")]


def palette(scheme: str) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)
    text = blocks[0] if scheme == "light" else blocks[0] + blocks[1]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_have_contrast(scheme: str) -> None:
    colours = palette(scheme)
    for front, back in PAIRS:
        assert contrast(colours[front], colours[back]) >= 4.5, (scheme, front, back)
    for front, back in MARKS:
        assert contrast(colours[front], colours[back]) >= 3, (scheme, front, back)


def test_nothing_comes_from_elsewhere() -> None:
    assert "url(" not in SHEET
    assert "@import" not in SHEET
    assert "gradient" not in SHEET
    assert (STATIC / "vendor" / "htmx.LICENSE.txt").exists()
    for script in STATIC.rglob("*.js"):
        assert "sourceMappingURL" not in script.read_text(encoding="utf-8")
