"""Help, errors and exit statuses of every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from holdfast.cli.root import COMMANDS, root

GROUPS = {"labels": ["add"], "audit": ["verify", "export"], "notify": ["test", "list"],
          "render": ["compose", "docker"]}  # fmt: skip
ALL = [
    path
    for name in COMMANDS
    for path in ([(name, sub) for sub in GROUPS.get(name, [])] or [(name,)])
]


def _command(path: tuple[str, ...]) -> click.Command:
    context = click.Context(root)
    found = root.get_command(context, path[0])
    for name in path[1:]:
        assert isinstance(found, click.Group)
        found = found.get_command(context, name)
    assert found is not None
    return found


@pytest.mark.parametrize("path", ALL, ids="-".join)
def test_every_command_has_help_an_example_and_json(path: tuple[str, ...], run: Any) -> None:
    done = run(*path, "--help")
    assert (done.status, done.err) == (0, "")
    command = _command(path)
    assert command.help
    assert command.help.splitlines()[0].endswith((".", "?"))
    assert command.epilog
    assert command.epilog.startswith("Example:")
    assert f"holdfast {' '.join(path)}" in command.epilog
    assert "--json" in [name for option in command.params for name in option.opts]
    bare = [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help and option.name not in
        ("host", "strategy")
    ]  # fmt: skip
    assert bare == []


def test_the_list_of_commands_has_them_all(run: Any) -> None:
    done = run("--help")
    assert done.status == 0
    assert all(name in done.out and text in done.out for name, (_, text) in COMMANDS.items())
    assert run("--version").out.startswith("holdfast")


def test_help_imports_next_to_nothing() -> None:
    code = (
        "import sys; sys.argv = ['holdfast', '--help']\n"
        "from holdfast.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'polars', 'pandas', 'sklearn', 'mlflow', 'sqlalchemy', 'numpy', 'fastapi'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ("fly",), ("train", "--fast"), ("gate", "two"), ("release",), ("live-at", "noon"),
        ("up", "--port", "x"), ("release", "1", "--strategy", "hope"),
    ],
)  # fmt: skip
def test_a_command_used_wrongly(run: Any, shared: Any, words: tuple[str, ...]) -> None:
    done = run(*words, home=shared)
    assert (done.status, done.out) == (2, "")
    assert "Error:" in done.err
    done = run(*words, "--json", home=shared)
    assert done.status == 2
    assert done.error["code"] == "usage.command"


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("versions",), ("history",), ("incidents",), ("gate",), ("gate", "1"),
        ("release", "1"), ("rollback",), ("live-at", "2026-03-01T00:00:00Z"),
        ("labels", "add", "x.csv"),
    ],
)  # fmt: skip
def test_an_unknown_model(run: Any, shared: Any, words: tuple[str, ...]) -> None:
    done = run(*words, "--model", "nobody", "--json", home=shared)
    assert done.status == 1
    assert done.error["code"] == "model.unknown"
    assert done.error["fix"]


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("release", "9"), 1, "registry.no_version"),
        (("release", "3"), 1, "release.not_passed"),
        (("release", "1", "--abort", "x"), 1, "release.none"),
        (("rollback",), 1, "release.nothing_live"),
        (("live-at", "2020-01-01"), 1, "live_at.nothing"),
        (("incidents", "--close", "inc-1"), 1, "incident.unknown"),
        (("labels", "add", "none.csv"), 1, "labels.no_file"),
        (("serve", "nowhere"), 2, "serve.no_bundle"),
        (("serve", "models:/tiny@nobody"), 2, "serve.no_version"),
        (("serve", "--host", "0.0.0.0"), 2, "serve.exposed"),
        (("control", "--host", "0.0.0.0"), 2, None),
    ],
)
def test_errors_are_a_sentence_with_code_and_fix(
    run: Any, shared: Any, words: tuple[str, ...], status: int, code: str | None
) -> None:
    done = run(*words, "--json", home=shared)
    assert done.status == status, done.err
    assert code in (None, done.error["code"])
    text = run(*words, home=shared)
    assert text.status == status
    assert text.out == ""
    first, *rest = text.err.splitlines()
    assert first.startswith("error: ")
    assert first.endswith(f"({done.error['code']})")
    assert rest == ([f"  fix: {done.error['fix']}"] if done.error["fix"] else [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[model", "spec."), ("[model]\nname = 'x'\n", "spec."), ('[mdoel]\nname = "x"', "spec."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "train", "status", "up", "serve"])
def test_a_malformed_spec(run: Any, tmp_path: Path, text: str, code: str, command: str) -> None:
    (tmp_path / "holdfast.toml").write_text(text)
    done = run(command, "--json", project=tmp_path)
    if command == "status":
        assert done.status == 0  # it looks into the home, which has no model yet
        return
    assert done.status == 1, done.err
    assert done.error["code"].startswith(code)
    assert "holdfast.toml" in done.error["message"] + done.error["fix"]


@pytest.mark.parametrize("command", ["check", "train", "gate", "versions"])
def test_without_a_project(run: Any, tmp_path: Path, command: str) -> None:
    done = run(command, "--json", project=tmp_path)
    assert done.status in (1, 2)
    assert "holdfast init" in done.error["fix"], done.error


def test_a_missing_label_column_is_named(untrained: Any, run: Any) -> None:
    untrained.edit('label = "bad"', 'label = "bda"')
    done = run("check", "--json", home=untrained)
    assert done.status == 1
    assert "'bda'" in done.error["message"]
    assert "bad" in done.error["fix"] + done.error["message"]


def test_their_traceback_is_shown_as_theirs(untrained: Any, run: Any) -> None:
    untrained.edit("    rng =", "    what = {}['gone']\n    rng =", file="tiny.py")
    done = run("check", home=untrained)
    assert done.status == 1
    assert done.err.startswith("--- your code ---")
    assert "KeyError: 'gone'" in done.err
    assert "holdfast/" not in done.err


def test_a_fault_of_ours_shows_as_ours(
    shared: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("holdfast.loop.views.status_of", broken)
    done = run("status", "--json", home=shared)
    assert (done.status, done.error["code"]) == (1, "holdfast.fault")
    assert "ZeroDivisionError: of all things" in done.error["message"]
    assert len(done.err.splitlines()) == 1
    assert "Traceback" not in run("status", home=shared).err
    assert "Traceback" in run("status", "-v", home=shared).err


def test_the_folder_of_a_corrupt_bundle(trained: Any, run: Any) -> None:
    version = trained.container.version("tiny", 1)
    folder = Path(version.bundle_path)
    file = max((f for f in folder.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = run("gate", "1", "--json", home=trained)
    assert done.status == 1
    assert done.error["code"].startswith("bundle.")
    assert json.loads(run("versions", "--json", home=trained).out)
