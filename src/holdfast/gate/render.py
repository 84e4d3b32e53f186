"""A verdict for machines and people: JUnit XML for CI, Markdown for a comment."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from holdfast.records import Check, Verdict

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
_MARKS = re.compile(r"([\\`*_{}\[\]<>|@#~])")
_WORDS = {"pass": "pass", "fail": "**fail**", "inconclusive": "*inconclusive*"}


def junit(verdict: Verdict) -> str:
    """JUnit XML with one test case a check.

    A check that fails is a ``failure`` of type ``fail``; an inconclusive one is a ``failure`` of
    type ``inconclusive``, because a gate that could not decide must not let a build go on.
    """
    bad = sum(check.outcome != "pass" for check in verdict.checks)
    counts = {"tests": str(len(verdict.checks)), "failures": str(bad), "errors": "0"}
    root = ET.Element("testsuites", {"name": "holdfast", **counts})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": f"holdfast gate {verdict.model} version {verdict.version}",
            **counts,
            "skipped": "0",
            "time": "0",
            "timestamp": verdict.created_at.isoformat(),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("id", "outcome", "champion", "rows"):
        value = getattr(verdict, name)
        if value is not None:
            ET.SubElement(properties, "property", {"name": name, "value": str(value)})
    for check in verdict.checks:
        _case(suite, check, verdict)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ET.Element, check: Check, verdict: Verdict) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {"classname": f"holdfast.gate.{verdict.model}", "name": check.name, "time": "0"},
    )
    sentence = _NOT_XML.sub("�", check.sentence)
    if check.outcome == "pass":
        ET.SubElement(case, "system-out").text = sentence
    else:
        ET.SubElement(case, "failure", {"type": check.outcome, "message": sentence}).text = sentence


def markdown(verdict: Verdict) -> str:
    """A heading with the verdict, its sentence, and a table of the checks.

    Names and messages of the user are escaped, so that none can become markup or a mention.
    """
    against = f" against version {verdict.champion}" if verdict.champion is not None else ""
    lines = [
        f"### Gate: {verdict.model} version {verdict.version}{against}: {_WORDS[verdict.outcome]}",
        "",
        f"{escaped(verdict.sentence)}.",
        "",
        "| check | outcome | what was found |",
        "|---|---|---|",
    ]
    lines += [
        f"| {escaped(check.name)} | {_WORDS[check.outcome]} | {escaped(check.sentence)} |"
        for check in verdict.checks
    ]
    lines += ["", f"{verdict.rows:,} held-out rows; verdict `{verdict.id}`."]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """One line of Markdown in which names of the user cannot become markup or a mention."""
    # A zero-width space after @ keeps names readable without calling anybody.
    one_line = " ".join(_NOT_XML.sub("�", text).split())
    return _MARKS.sub(r"\\\1", one_line).replace("\\@", "@\u200b")
