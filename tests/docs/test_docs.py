"""The documentation is true: snippets run, commands parse, links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

from holdfast.cli.root import COMMANDS, root
from holdfast.recording.label_file import read_labels
from holdfast.recording.labels import LabelStore
from holdfast.recording.log import PredictionLog
from holdfast.recording.recorder import Recorder
from holdfast.recording.spool import FileSpool
from holdfast.records import PredictionBatch
from holdfast.spec import Section, Spec, parse_spec
from holdfast.spec.channels import KINDS

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "src" / "holdfast" / "cli" / "templates" / "files" / "README.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        TEMPLATE,
    ]
)
REFERENCE = ROOT / "docs" / "reference"
BY_HAND = [page for page in PAGES if REFERENCE not in page.parents]

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, kind: str) -> Iterator[str]:
    """The fenced blocks of a kind, such as ``console``."""
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if match[1].strip() == kind:
            yield match[2]


def command_lines(page: Path) -> Iterator[list[str]]:
    """Every ``holdfast …`` of the page's console blocks, as words after ``holdfast``."""
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if not line.startswith("$ ") or "holdfast" not in line:
                continue
            lexer = shlex.shlex(line[2:], posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            try:
                words = list(lexer)
            except ValueError:  # a quote that ends on a later line, as of a request's body
                continue
            yield from _holdfast_calls(words)


def _holdfast_calls(words: list[str]) -> Iterator[list[str]]:
    call: list[str] = []
    # shlex cuts at the punctuation, so that pipes and redirections end a command.
    for word in [*words, ";"]:
        if set(word) <= set("|&;<>"):
            while call and "=" in call[0]:
                call = call[1:]
            if call and call[0] == "holdfast":
                yield call[1:]
            call = []
        else:
            call.append(word)


def parse(words: list[str]) -> str:
    """Parses a call as click would, and returns the command's full name."""
    context = click.Context(root, info_name="holdfast")
    command: click.Command = root
    path = []
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command '{' '.join([*path, words[0]])}'"
        command, path, words = found, [*path, words[0]], words[1:]
    if "--help" not in words:
        command.make_context(path[-1], list(words), parent=context)
    return " ".join(path)


def every_command() -> list[str]:
    context = click.Context(root, info_name="holdfast")
    names = []
    for known in COMMANDS:
        command = root.get_command(context, known)
        parts = command.list_commands(context) if isinstance(command, click.Group) else [""]
        names += [f"{known} {part}".strip() for part in parts]
    return names


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_command_lines_parse(page: Path) -> None:
    for words in command_lines(page):
        try:
            parse(words)
        except click.ClickException as error:
            pytest.fail(f"{name(page)}: holdfast {' '.join(words)}: {error.format_message()}")


def test_command_lines_are_found() -> None:
    found = [" ".join(words) for words in command_lines(ROOT / "docs" / "quickstart.md")]
    assert "labels add - --format csv" in found
    assert "live-at 2026-03-03T14:30:00Z" in found
    with pytest.raises(click.NoSuchOption):
        parse(["gate", "--jnit", "x"])


def test_every_command_is_shown_by_hand_and_in_the_reference() -> None:
    shown = {parse(words) for page in BY_HAND for words in command_lines(page) if words}
    text = "".join(page.read_text(encoding="utf-8") for page in BY_HAND)
    reference = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    for command in every_command():
        assert f"## `holdfast {command}`" in reference
        assert command in shown or f"`holdfast {command}`" in text, f"{command} is not shown"


def test_every_key_of_the_spec_is_in_the_reference_with_its_meaning() -> None:
    text = (REFERENCE / "spec.md").read_text(encoding="utf-8")
    sections = re.split(r"^## `\[+(\w+)\]+`$", text, flags=re.MULTILINE)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    expected = [field for field in msgspec.structs.fields(Spec) if field.name != "root"]
    assert list(found) == [field.name for field in expected]
    for section in expected:
        kind = (get_args(section.type) or (section.type,))[0]
        assert issubclass(kind, Section)
        for field in msgspec.structs.fields(kind):
            row = re.search(rf"^\| `{field.name}` \|.*\| *(.+) \|$", found[section.name], re.M)
            assert row, f"{section.name}.{field.name} is not documented"
            assert row[1].strip()


def test_the_reference_is_up_to_date() -> None:
    """Otherwise run: .venv/bin/python scripts/reference.py."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{name(page)}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{name(page)}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_exist(page: Path) -> None:
    """Paths in backticks that begin in the repository, as in the tour of the code."""
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:src|tests|scripts|examples|requirements)/[\w./-]+)`", text):
        if page != TEMPLATE and not path.startswith("tests/behaviour"):
            assert (ROOT / path).exists(), f"{name(page)}: {path}"


def test_every_page_can_be_reached() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            file = target.partition("#")[0]
            if file and "://" not in file:
                waiting.append((page.parent / file).resolve())
    assert {name(p) for p in (ROOT / "docs").rglob("*.md")} <= {name(page) for page in seen}


def test_decisions_are_numbered_without_a_gap_and_of_one_form() -> None:
    files = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    for number, file in enumerate(files, start=1):
        assert file.name.startswith(f"{number:04d}-")
        text = file.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. ")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_compiles(page: Path) -> None:
    for kind in ("python", "python runnable"):
        for block in blocks(page, kind):
            ast.parse(block)


def test_the_channels_that_are_shown_are_right() -> None:
    example = (ROOT / "examples" / "flights" / "holdfast.toml").read_text(encoding="utf-8")
    (shown,) = blocks(ROOT / "docs" / "howto" / "notify-people.md", "toml")
    channels = parse_spec(f"{example}\n{shown}").notify
    assert {channel.kind for channel in channels} == set(KINDS)


def test_the_metric_of_the_how_to_is_right() -> None:
    example = (ROOT / "examples" / "flights" / "holdfast.toml").read_text(encoding="utf-8")
    (shown,) = blocks(ROOT / "docs" / "howto" / "metric-of-your-own.md", "toml")
    text = re.sub(r"^\[gate\]\n(?:.+\n)+", shown + "\n", example, flags=re.MULTILINE)
    assert parse_spec(text).gate.measured == "neg_costs:each"


RUNNABLE = [
    pytest.param(block, id=f"{name(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "python runnable"))
]


@pytest.mark.parametrize("block", RUNNABLE)
def test_snippets_run(block: str, home: Path) -> None:
    """In a process of its own, in a folder with a prediction log and labels of ``churn``."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=home, capture_output=True, text=True, check=False, timeout=120,
        env={k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


class _Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 3, 3, 12, tzinfo=UTC)

    def timestamp(self) -> float:
        return self.now().timestamp()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with ten predictions, five of them labelled."""
    folder = tmp_path_factory.mktemp("project")
    state, clock = folder / ".holdfast", _Noon()
    with FileSpool(state / "spool" / "here", 10**7, writer="worker-0") as spool:
        for number in range(10):
            at = clock.now() + timedelta(minutes=number)
            assert spool.append(
                PredictionBatch(
                    request=f"p-{number}", model="churn", version=1, epoch=1, at=at.timestamp(),
                    role="live", names=("plan", "tickets_90d"), columns=[["basic"], [1.0]],
                    ids=[f"r-{number}"], predictions=[True], scores=[0.7], seconds=0.001,
                )
            )  # fmt: skip
    with Recorder(state / "spool", PredictionLog(state / "log"), state / "rec", clock) as recorder:
        assert recorder.drain_once().rows == 10
    (folder / "labels.csv").write_text(
        "id,label\n" + "".join(f"r-{number},true\n" for number in range(5))
    )
    labels = read_labels(folder / "labels.csv", now=clock.now(), task="binary")
    LabelStore(state / "labels").add("churn", labels, clock.now())
    return folder
