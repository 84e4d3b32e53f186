"""The model card: what a version is, what it was made of, and what the gate found.

After Mitchell et al., "Model cards for model reporting" (arXiv 1810.03993), as far as the records
can say it. What only people know (purpose, limits) is the spec's ``[model] about``.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from holdfast.gate.render import escaped
from holdfast.gate.sentences import number
from holdfast.records import BundleManifest, DatasetVersion, Verdict, Version

Line = tuple[str, ...]

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #8886}
.fail{font-weight:700}.inconclusive{font-style:italic}
td{overflow-wrap:anywhere}
"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A heading with a table below it; without lines it is left out."""

    title: str
    heads: Line
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A model card.

    Args:
        title: model and version.
        about: what the model is for, in the words of its owner; may be empty.
        verdict: the gate's answer in one sentence.
        parts: tables, in order.
    """

    title: str
    about: str
    verdict: str
    parts: tuple[Part, ...]


def make_card(
    version: Version,
    manifest: BundleManifest,
    *,
    about: str = "",
    dataset: DatasetVersion | None = None,
    verdict: Verdict | None = None,
) -> Card:
    """The card of a version.

    Args:
        version: the version.
        manifest: of its bundle.
        about: what the model is for.
        dataset: what it was trained and judged on, when still known.
        verdict: the newest one, if it was judged.
    """
    said = "not judged by the gate yet"
    if verdict is not None:
        against = f" against version {verdict.champion}" if verdict.champion else ""
        said = f"{verdict.outcome}{against}, on {verdict.rows:,} held-out rows: {verdict.sentence}"
    return Card(
        title=f"{version.model}, version {version.number}",
        about=about,
        verdict=said,
        parts=(
            Part(title="Facts", heads=("what", ""), lines=_facts(version, manifest, dataset)),
            Part(
                title="Measured on held-out rows",
                heads=("metric", "value", "95 % from", "to", "rows"),
                lines=tuple(
                    (m.name, *(number(v, 4) for v in (m.value, m.low, m.high)), f"{m.n:,}")
                    for m in version.metrics
                ),
            ),
            Part(
                title="Gate", heads=("check", "outcome", "what was found"), lines=_checks(verdict)
            ),
            *_details(verdict),
            Part(
                title="Inputs",
                heads=("column", "type", "may be missing"),
                lines=tuple(
                    (field.name, field.kind, "yes" if field.nullable else "no")
                    for field in manifest.signature.inputs
                ),
            ),
        ),
    )


def _facts(
    version: Version, manifest: BundleManifest, dataset: DatasetVersion | None
) -> tuple[Line, ...]:
    code = version.code.commit or version.code.digest
    classes = ", ".join(str(label) for label in manifest.signature.classes)
    rows = "" if dataset is None else f"{dataset.rows:,} from {dataset.source}"
    facts = (
        ("task", version.task),
        ("classes", classes),
        ("trained", f"{version.created_at:%Y-%m-%d %H:%M} UTC"),
        ("after version", "" if version.parent is None else str(version.parent)),
        ("rows, training and held out", rows),
        ("rows from", f"{version.data_start:%Y-%m-%d %H:%M} UTC"),
        ("rows until", f"{version.data_end:%Y-%m-%d %H:%M} UTC"),
        ("dataset version", version.dataset),
        ("code", f"{code} with changes" if version.code.dirty else code),
        ("run", version.run),
        ("bundle", version.bundle),
        ("served as", "ONNX" if version.predictor == "onnx" else f"original ({manifest.native})"),
        ("note", version.predictor_note),
    )
    return tuple(fact for fact in facts if fact[1])


def _checks(verdict: Verdict | None) -> tuple[Line, ...]:
    checks = () if verdict is None else verdict.checks
    return tuple((check.name, check.outcome, check.sentence) for check in checks)


def _details(verdict: Verdict | None) -> tuple[Part, ...]:
    """The parts of slices and of groups, which a sentence cannot hold."""
    wanted = ("slices", "fairness", "calibration", "leakage")
    parts = []
    for check in () if verdict is None else verdict.checks:
        if check.name.partition(".")[0] in wanted and check.detail:
            heads = tuple(check.detail[0])
            lines = tuple(
                tuple(_cell(line.get(head)) for head in heads) for line in check.detail[:50]
            )
            parts.append(Part(title=f"Check: {check.name}", heads=heads, lines=lines))
    return tuple(parts)


def _cell(value: str | float | int | None) -> str:
    if value is None:
        return "–"
    return number(value, 4) if isinstance(value, float) else str(value)


def markdown(card: Card) -> str:
    """The card as Markdown; what users named is escaped."""
    lines = [f"# {escaped(card.title)}", ""]
    if card.about:
        lines += [escaped(card.about), ""]
    lines += [f"**Gate**: {escaped(card.verdict)}.", ""]
    for part in card.parts:
        if part.lines:
            lines += [f"## {escaped(part.title)}", "", f"| {' | '.join(part.heads)} |"]
            lines += [f"|{'---|' * len(part.heads)}"]
            lines += [f"| {' | '.join(escaped(cell) for cell in line)} |" for line in part.lines]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def html(card: Card) -> str:
    """The card as one HTML file that loads nothing else and runs no script."""
    body = [f"<h1>{escape(card.title)}</h1>"]
    if card.about:
        body.append(f"<p>{escape(card.about)}</p>")
    body.append(f"<p><strong>Gate</strong>: {escape(card.verdict)}.</p>")
    for part in card.parts:
        if part.lines:
            heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in part.heads)
            body += [f"<h2>{escape(part.title)}</h2>", f"<table><thead><tr>{heads}</tr></thead>"]
            body += [f"<tr>{''.join(_td(cell) for cell in line)}</tr>" for line in part.lines]
            body.append("</table>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(card.title)}</title><style>{_STYLE}</style></head>\n"
        "<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _td(cell: str) -> str:
    kind = f' class="{cell}"' if cell in ("fail", "inconclusive") else ""
    return f"<td{kind}>{escape(cell)}</td>"
