from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from holdfast.gate.evaluate import overall
from holdfast.gate.render import junit, markdown
from holdfast.records import Check, Verdict

CHECKS = (
    Check(name="metric.min", outcome="pass", sentence="roc_auc is 0.712"),
    Check(name="champion", outcome="fail", sentence="roc_auc is 0.021 lower than version 3"),
    Check(name="slices", outcome="inconclusive", sentence="not enough data"),
)


def verdict(checks=CHECKS, champion=3):
    return Verdict(
        id="ver-1", model="delay", version=4, champion=champion, outcome=overall(checks),
        checks=checks, rows=16_120, created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip


def test_junit_has_one_case_a_check():
    root = ET.fromstring(junit(verdict()))
    suite = root.find("testsuite")
    assert root.tag == "testsuites"
    assert suite.get("tests") == "3"
    assert suite.get("failures") == "2"
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["metric.min", "champion", "slices"]
    assert cases["metric.min"].find("failure") is None
    assert cases["champion"].find("failure").get("type") == "fail"
    assert cases["champion"].find("failure").get("message") == CHECKS[1].sentence
    assert cases["slices"].find("failure").get("type") == "inconclusive"
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties == {"id": "ver-1", "outcome": "fail", "champion": "3", "rows": "16120"}


@given(st.text(st.characters(exclude_categories=[])))
def test_any_message_gives_well_formed_xml(text):
    checks = (Check(name="behaviour", outcome="fail", sentence=text),)
    suite = ET.fromstring(junit(verdict(checks)).encode()).find("testsuite")
    assert suite.find("testcase/failure") is not None


def test_markdown():
    assert markdown(verdict()) == (
        "### Gate: delay version 4 against version 3: **fail**\n\n"
        "roc\\_auc is 0.021 lower than version 3.\n\n"
        "| check | outcome | what was found |\n|---|---|---|\n"
        "| metric.min | pass | roc\\_auc is 0.712 |\n"
        "| champion | **fail** | roc\\_auc is 0.021 lower than version 3 |\n"
        "| slices | *inconclusive* | not enough data |\n\n"
        "16,120 held-out rows; verdict `ver-1`.\n"
    )


def test_markdown_of_a_first_version():
    text = markdown(verdict(CHECKS[:1], champion=None))
    assert text.startswith("### Gate: delay version 4: pass\n\nall 1 checks passed.")


@given(st.text())
def test_a_message_stays_in_its_cell(text):
    checks = (Check(name="behaviour", outcome="fail", sentence=f"x {text} | <b> @team\n# y"),)
    row = markdown(verdict(checks)).splitlines()[6]
    assert row.startswith("| behaviour | **fail** | x")
    assert "\\<b\\>" in row
    assert "@team" not in row
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 4
